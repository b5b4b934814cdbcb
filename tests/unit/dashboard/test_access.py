from pathlib import Path

import pytest

from tuner.dashboard.server import Access, HostNameError
from tuner.dashboard.visitors import TokenError, read_token
from tuner.settings import read_settings


def access(**changes: object) -> Access:
    values: dict[str, object] = {
        "host": "127.0.0.1",
        "port": 0,
        "token": None,
        "allow_writes": False,
        "allowed_hosts": [],
    }
    return Access(**(values | changes))  # type: ignore[arg-type]


def test_looking_on_this_machine_needs_no_token() -> None:
    assert access().visitors() is None


@pytest.mark.parametrize(
    "changes",
    [{"host": "0.0.0.0"}, {"host": "::"}, {"host": "10.0.0.1"}, {"host": "box"}, {"allow_writes": True}],  # noqa: S104 - refused
)
def test_everything_else_does(changes: dict[str, object]) -> None:
    with pytest.raises(TokenError, match="openssl rand") as error:
        access(**changes).visitors()

    assert "\n" not in str(error.value)


def test_the_token_of_the_metrics_opens_nothing_else() -> None:
    assert access().scraper() is None
    assert access(token="x" * 16, metrics_token="y" * 16).scraper() is not None
    with pytest.raises(TokenError, match="is also that of the dashboard"):
        access(token="x" * 16, metrics_token="x" * 16).scraper()


def test_a_token_that_is_given_is_asked_for_on_this_machine_too() -> None:
    assert access(token="x" * 16).visitors() is not None


@pytest.mark.parametrize("token", ["", "short", "x" * 15, "with spaces in between", "\u00fc" * 16])
def test_a_token_that_can_be_guessed_or_not_be_sent_is_refused(token: str) -> None:
    with pytest.raises(TokenError, match="openssl rand"):
        access(token=token).visitors()


def test_a_token_file_is_read_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret-secret-secret\n")

    assert read_token(tmp_path / "token") == "secret-secret-secret"


def test_a_missing_token_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TokenError, match="nowhere"):
        read_token(tmp_path / "nowhere")


def test_it_answers_to_its_own_address_and_to_what_it_is_told() -> None:
    names = access(host="10.0.0.1", allowed_hosts=["Tuner.Example", "::2"]).names

    assert names == {"localhost", "127.0.0.1", "::1", "10.0.0.1", "tuner.example", "::2"}


def test_every_address_is_no_name() -> None:
    assert access(host="0.0.0.0").names == {"localhost", "127.0.0.1", "::1"}  # noqa: S104 - looked at


def test_settings_do_not_print_the_token() -> None:
    token = "x" * 20

    settings = read_settings({"TUNER_DASHBOARD_TOKEN": token})

    assert settings.dashboard_token == token
    assert token not in repr(settings)


@pytest.mark.parametrize("name", ["", "http://box", "evil@box", "box/", "box:x", "b ox"])
def test_an_allowed_host_that_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(HostNameError, match="host name"):
        _ = access(allowed_hosts=[name]).names
