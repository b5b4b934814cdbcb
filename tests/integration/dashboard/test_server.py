"""`tuner dashboard` as a process, over HTTP, on Postgres."""

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from looking_role import looking_role
from support.dashboard_process import running_dashboard
from support.postgres import PostgresServer
from support.running_studies import begin_trial, create_study, end_trial, report_epoch
from typer.testing import CliRunner

from tuner.cli import app
from tuner.errors import TunerError
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.lifecycle import Study, list_names
from tuner.studies.slots.claims import claim_slot

TOKEN = "0123456789abcdef" * 2


@dataclass(frozen=True)
class Running:
    """A dashboard and the database that it shows; a test that changes something makes a study of its own."""

    address: str
    storage: Storage
    artifacts: Path


@pytest.fixture(scope="module")
def database_url(postgres_server: PostgresServer, postgres_template: str) -> Iterator[str]:
    """A database of this module's own, with one study, `s`, that has a finished and a running trial."""
    database = postgres_server.create_database(template=postgres_template)
    yield postgres_server.url(database)
    postgres_server.drop_database(database)


@pytest.fixture(scope="module")
def storage(database_url: str) -> Iterator[Storage]:
    with open_storage(database_url) as opened:
        _begin(opened, "s")
        yield opened


def _begin(storage: Storage, name: str, *, worker: str = "w1") -> Study:
    study = create_study(storage, name)
    end_trial(storage, begin_trial(storage, study, worker=worker, curve=(0.5, 0.7)), score=0.7)
    begin_trial(storage, study, worker=worker, curve=(0.3, 0.4))
    return study


@pytest.fixture(scope="module")
def looking(
    postgres_server: PostgresServer, database_url: str, storage: Storage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """A dashboard with a role that may only SELECT."""
    artifacts = tmp_path_factory.mktemp("artifacts")
    with (
        looking_role(postgres_server, database_url) as url,
        running_dashboard(url, artifacts) as (address, _),
    ):
        yield Running(address, storage, artifacts)


@pytest.fixture(scope="module")
def closed(database_url: str, storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A dashboard that lets visitors write who know the token."""
    artifacts, token = tmp_path_factory.mktemp("artifacts"), tmp_path_factory.mktemp("token") / "token"
    token.write_text(TOKEN)
    with running_dashboard(database_url, artifacts, "--allow-writes", "--token-file", str(token)) as (address, _):
        yield Running(address, storage, artifacts)


def fetch(url: str, method: str = "GET", **options: object) -> requests.Response:
    return requests.request(method, url, timeout=60, allow_redirects=False, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "tuner"),
        ("/fleet", "box"),
        ("/fleet.json", "trials_per_hour"),
        ("/dashboard", "bundle.js"),
        ("/api/studies", "study_summaries"),
        ("/api/studies/1", "learning_rate"),
        ("/csv/1", "Param learning_rate"),
        ("/favicon.ico", ""),
        ("/report/s", "tuner report"),
    ],
)
def test_every_page_works_with_a_role_that_may_only_select(looking: Running, path: str, expected: str) -> None:
    answer = fetch(looking.address + path)

    assert answer.status_code == 200
    assert expected in answer.text


def test_answers_are_small_for_who_reads_gzip_and_right_for_who_does_not(looking: Running) -> None:
    packed = fetch(f"{looking.address}/fleet", headers={"Accept-Encoding": "gzip"})
    plain = fetch(f"{looking.address}/fleet", headers={"Accept-Encoding": "identity"})

    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert "<title>Fleet" in packed.text
    assert "<title>Fleet" in plain.text


def test_the_fleet_shows_what_every_worker_and_study_does(looking: Running) -> None:
    study = _begin(looking.storage, "fleet", worker="f1")
    end_trial(looking.storage, begin_trial(looking.storage, study, worker="f2"), score=None, kind="nan_loss")

    # What other visitors were shown a moment ago is shown again.
    deadline = time.monotonic() + 10
    fleet: dict[str, Any] = {"workers": []}
    while not (of_f1 := [worker for worker in fleet["workers"] if worker["id"] == "f1"]):
        assert time.monotonic() < deadline
        fleet = fetch(f"{looking.address}/fleet.json").json()
    (working,) = of_f1
    assert working["curve"] == [[1, 0.3], [2, 0.4]]
    assert (working["host"], working["state"], working["trial"], working["epoch"], working["epochs"]) == (
        "box",
        "training",
        1,
        2,
        4,
    )
    (shown,) = (one for one in fleet["studies"] if one["name"] == "fleet")
    assert (shown["complete"], shown["failed"], shown["running"], shown["best_score"]) == (1, 1, 1, 0.7)
    assert shown["failures"] == {"nan_loss": 1}


def test_a_running_studys_report_is_never_an_old_one(looking: Running) -> None:
    study = _begin(looking.storage, "reported", worker="r1")
    first = fetch(f"{looking.address}/report/reported")
    again = fetch(f"{looking.address}/report/reported", headers={"If-None-Match": first.headers["ETag"]})
    begun = begin_trial(looking.storage, study, worker="r2", curve=(0.6,))
    report_epoch(looking.storage, begun, epoch=2, accuracy=0.8765)

    later = fetch(f"{looking.address}/report/reported", headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert later.status_code == 200
    assert "87.65" in later.text
    assert "87.65" not in first.text
    assert "no-cache" in later.headers["Cache-Control"]


def test_several_studies_stand_side_by_side(looking: Running) -> None:
    create_study(looking.storage, "other")

    page = fetch(f"{looking.address}/report?study=s&study=other").text

    assert "Side by side" in page


@pytest.mark.parametrize("path", ["/report/nope", "/report?study=s&study=nope"])
def test_the_report_of_no_study_is_not_found(looking: Running, path: str) -> None:
    answer = fetch(looking.address + path, headers={"Accept": "text/html"})

    assert answer.status_code == 404
    assert "No study named" in answer.text


def test_a_write_is_refused_before_the_database_is_asked(looking: Running) -> None:
    before = list_names(looking.storage)

    answers = [
        fetch(f"{looking.address}/api/studies/1", "DELETE"),
        fetch(f"{looking.address}/api/studies/1/note", "PUT", json={"version": 1, "body": "x"}),
        fetch(f"{looking.address}/api/studies", "POST", json={"study_name": "x", "directions": ["maximize"]}),
    ]

    assert [answer.status_code for answer in answers] == [403] * 3
    assert all("--allow-writes" in answer.json()["reason"] for answer in answers)
    assert list_names(looking.storage) == before


def test_deleting_a_study_in_optuna_dashboard_deletes_all_of_it(closed: Running) -> None:
    study = create_study(closed.storage, "deleted")
    number = study.optuna_study_id
    (closed.artifacts / study.folder).mkdir(parents=True)
    (closed.artifacts / study.folder / "file").touch()

    answer = fetch(f"{closed.address}/api/studies/{number}", "DELETE", headers={"Authorization": f"Bearer {TOKEN}"})

    assert answer.status_code == 204
    assert "deleted" not in list_names(closed.storage)
    assert number not in [one._study_id for one in closed.storage.optuna.get_all_studies()]
    assert claim_slot(closed.storage, owner="w", study_names=["deleted"]) is None
    assert not (closed.artifacts / study.folder).exists()


def test_a_note_is_saved_by_who_may_write(closed: Running) -> None:
    number = create_study(closed.storage, "noted").optuna_study_id
    headers = {"Authorization": f"Bearer {TOKEN}"}

    answer = fetch(
        f"{closed.address}/api/studies/{number}/note", "PUT", json={"version": 1, "body": "seen"}, headers=headers
    )

    assert answer.status_code == 204
    assert fetch(f"{closed.address}/api/studies/{number}", headers=headers).json()["note"]["body"] == "seen"


# The last one of this dashboard, which answers this machine's wrong tokens no more.
def test_a_thousand_wrong_tokens_get_nowhere_and_the_right_visitor_goes_on(closed: Running) -> None:
    known = requests.Session()
    known.post(f"{closed.address}/login", data={"token": TOKEN, "next": "/"}, timeout=30)
    guesser = requests.Session()

    statuses = [
        guesser.get(f"{closed.address}/api/studies", headers={"Authorization": f"Bearer {n}"}, timeout=30).status_code
        for n in range(1000)
    ]

    assert set(statuses) == {401, 429}
    assert statuses.count(401) < 20
    assert known.get(f"{closed.address}/api/studies", timeout=30).status_code == 200
    assert TOKEN not in str(known.cookies)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.usefixtures("storage")
def test_a_signal_ends_it_with_its_status(
    database_url: str, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    with running_dashboard(database_url, tmp_path) as (_, running):
        running.process.send_signal(number)

        assert running.process.wait(20) == status
        assert "Traceback" not in running.stderr.read()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--host", "0.0.0.0"), "needs a token"),  # noqa: S104 - refused
        (("--allow-writes",), "needs a token"),
        (("--token-file", "nowhere"), "Cannot read the token"),
        (("--host", "192.0.2.1", "--token-file", "token"), "Cannot listen on 192.0.2.1"),
    ],
)
def test_what_cannot_be_opened_is_one_line(
    postgres_url: str, tmp_path: Path, options: tuple[str, ...], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    monkeypatch.chdir(tmp_path)

    with pytest.raises(TunerError, match=expected) as refused:
        CliRunner().invoke(
            app, ["dashboard", "--port", "0", "--storage", postgres_url, *options], catch_exceptions=False
        )

    assert refused.value.exit_status == 1
    assert "\n" not in str(refused.value)
    assert TOKEN not in str(refused.value)
