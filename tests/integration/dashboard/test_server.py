"""`tuner dashboard` as a process, over HTTP, on Postgres."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from looking_role import looking_role
from support.dashboard_process import running_dashboard
from support.postgres import PostgresServer
from support.running_studies import begin_trial, create_study, end_trial, report_epoch

from tuner.studies.lifecycle import find_study, list_names
from tuner.studies.slots import claim_slot
from tuner.studies.storage import Storage, open_storage

TOKEN = "0123456789abcdef" * 2


@pytest.fixture
def address(storage: Storage, looker_url: str, tmp_path: Path) -> Iterator[str]:
    """A dashboard with a role that may only SELECT, of one study with a finished and a running trial."""
    study = create_study(storage)
    end_trial(storage, begin_trial(storage, study, curve=(0.5, 0.7)), score=0.7)
    begin_trial(storage, study, curve=(0.3, 0.4))
    with running_dashboard(looker_url, tmp_path / "artifacts") as (address, _):
        yield address


@pytest.fixture(scope="module")
def still_address(
    postgres_server: PostgresServer, postgres_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """As `address`, for all tests of this file that change nothing."""
    database = postgres_server.create_database(template=postgres_template)
    with open_storage(postgres_server.url(database)) as storage:
        study = create_study(storage)
        end_trial(storage, begin_trial(storage, study, curve=(0.5, 0.7)), score=0.7)
        begin_trial(storage, study, curve=(0.3, 0.4))
        with (
            looking_role(postgres_server, postgres_server.url(database)) as url,
            running_dashboard(url, tmp_path_factory.mktemp("artifacts")) as (address, _),
        ):
            yield address
    postgres_server.drop_database(database)


@pytest.fixture
def closed_address(storage: Storage, postgres_url: str, tmp_path: Path) -> Iterator[str]:
    """A dashboard that lets visitors write who know the token."""
    study = create_study(storage)
    (tmp_path / "artifacts" / study.folder).mkdir(parents=True)
    (tmp_path / "artifacts" / study.folder / "file").touch()
    (tmp_path / "token").write_text(TOKEN)
    options = ("--allow-writes", "--token-file", str(tmp_path / "token"))
    with running_dashboard(postgres_url, tmp_path / "artifacts", *options) as (address, _):
        yield address


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
def test_every_page_works_with_a_role_that_may_only_select(still_address: str, path: str, expected: str) -> None:
    answer = fetch(still_address + path)

    assert answer.status_code == 200
    assert expected in answer.text


def test_answers_are_small_for_who_reads_gzip_and_right_for_who_does_not(still_address: str) -> None:
    packed = fetch(f"{still_address}/fleet", headers={"Accept-Encoding": "gzip"})
    plain = fetch(f"{still_address}/fleet", headers={"Accept-Encoding": "identity"})

    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert "<title>Fleet" in packed.text
    assert "<title>Fleet" in plain.text


def test_the_fleet_shows_what_every_worker_and_study_does(address: str, storage: Storage) -> None:
    study = find_study(storage, "s")
    end_trial(storage, begin_trial(storage, study, worker="w2"), score=None, kind="nan_loss")

    fleet = fetch(f"{address}/fleet.json").json()

    working = next(worker for worker in fleet["workers"] if worker["id"] == "w1")
    assert working["curve"] == [[1, 0.3], [2, 0.4]]
    assert (working["host"], working["state"], working["trial"], working["epoch"], working["epochs"]) == (
        "box",
        "training",
        1,
        2,
        4,
    )
    (shown,) = fleet["studies"]
    assert (shown["complete"], shown["failed"], shown["running"], shown["best_score"]) == (1, 1, 1, 0.7)
    assert shown["failures"] == {"nan_loss": 1}


def test_a_running_studys_report_is_never_an_old_one(address: str, storage: Storage) -> None:
    first = fetch(f"{address}/report/s")
    again = fetch(f"{address}/report/s", headers={"If-None-Match": first.headers["ETag"]})
    begun = begin_trial(storage, find_study(storage, "s"), worker="w2", curve=(0.6,))
    report_epoch(storage, begun, epoch=2, accuracy=0.8765)

    later = fetch(f"{address}/report/s", headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert later.status_code == 200
    assert "87.65" in later.text
    assert "87.65" not in first.text
    assert "no-cache" in later.headers["Cache-Control"]


def test_several_studies_stand_side_by_side(address: str, storage: Storage) -> None:
    create_study(storage, "other")

    page = fetch(f"{address}/report?study=s&study=other").text

    assert "Side by side" in page


@pytest.mark.parametrize("path", ["/report/nope", "/report?study=s&study=nope"])
def test_the_report_of_no_study_is_not_found(still_address: str, path: str) -> None:
    answer = fetch(still_address + path, headers={"Accept": "text/html"})

    assert answer.status_code == 404
    assert "No study named" in answer.text


def test_a_write_is_refused_before_the_database_is_asked(address: str, storage: Storage) -> None:
    answers = [
        fetch(f"{address}/api/studies/1", "DELETE"),
        fetch(f"{address}/api/studies/1/note", "PUT", json={"version": 1, "body": "x"}),
        fetch(f"{address}/api/studies", "POST", json={"study_name": "x", "directions": ["maximize"]}),
    ]

    assert [answer.status_code for answer in answers] == [403] * 3
    assert all("--allow-writes" in answer.json()["reason"] for answer in answers)
    assert list_names(storage) == ["s"]


def test_a_thousand_wrong_tokens_get_nowhere_and_the_right_visitor_goes_on(closed_address: str) -> None:
    known = requests.Session()
    known.post(f"{closed_address}/login", data={"token": TOKEN, "next": "/"}, timeout=30)
    guesser = requests.Session()

    statuses = [
        guesser.get(f"{closed_address}/api/studies", headers={"Authorization": f"Bearer {n}"}, timeout=30).status_code
        for n in range(1000)
    ]

    assert set(statuses) == {401, 429}
    assert statuses.count(401) < 20
    assert known.get(f"{closed_address}/api/studies", timeout=30).status_code == 200
    assert TOKEN not in str(known.cookies)


def test_deleting_a_study_in_optuna_dashboard_deletes_all_of_it(
    closed_address: str, storage: Storage, tmp_path: Path
) -> None:
    study = find_study(storage, "s")
    number = study.optuna_study_id

    answer = fetch(f"{closed_address}/api/studies/{number}", "DELETE", headers={"Authorization": f"Bearer {TOKEN}"})

    assert answer.status_code == 204
    assert list_names(storage) == []
    assert storage.optuna.get_all_studies() == []
    assert claim_slot(storage, owner="w") is None
    assert not (tmp_path / "artifacts" / study.folder).exists()


def test_a_note_is_saved_by_who_may_write(closed_address: str, storage: Storage) -> None:
    number = find_study(storage, "s").optuna_study_id
    headers = {"Authorization": f"Bearer {TOKEN}"}

    answer = fetch(
        f"{closed_address}/api/studies/{number}/note", "PUT", json={"version": 1, "body": "seen"}, headers=headers
    )

    assert answer.status_code == 204
    assert fetch(f"{closed_address}/api/studies/{number}", headers=headers).json()["note"]["body"] == "seen"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_with_its_status(
    storage: Storage, postgres_url: str, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    create_study(storage)
    with running_dashboard(postgres_url, tmp_path) as (_, process):
        process.send_signal(number)

        assert process.wait(timeout=20) == status
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--host", "0.0.0.0"), "needs a token"),  # noqa: S104 - refused
        (("--allow-writes",), "needs a token"),
        (("--token-file", "nowhere"), "Cannot read the token"),
        (("--host", "192.0.2.1", "--token-file", "token"), "Cannot listen on 192.0.2.1"),
    ],
)
def test_what_cannot_be_opened_is_one_line_and_status_1(
    postgres_url: str, tmp_path: Path, options: tuple[str, ...], expected: str
) -> None:
    (tmp_path / "token").write_text(TOKEN)

    done = subprocess.run(
        [sys.executable, "-m", "tuner", "dashboard", "--port", "0", "--storage", postgres_url, *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 1
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert TOKEN not in done.stderr
