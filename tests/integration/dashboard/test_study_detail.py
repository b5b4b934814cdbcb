"""Our own answer for Optuna Dashboard's page is Optuna Dashboard's answer."""

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy as sa
from optuna_dashboard import wsgi
from support.postgres import PostgresServer
from support.running_studies import begin_trial, create_study, end_trial, finish_study, report_epoch
from support.wsgi_client import ask

from tuner.artifacts import ArtifactStore
from tuner.dashboard import study_detail
from tuner.dashboard.optuna_requests import refuse_unanswerable
from tuner.dashboard.study_detail import StudyDetails
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.lifecycle import delete_study, find_study
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import end_slot
from tuner.studies.slots.outcomes import Failure, failed_outcome
from tuner.workers.dashboard_publisher import DashboardPublisher


def ours(storage: Storage, study_id: int, *, after: int = 0) -> Any:
    return read(StudyDetails(storage=storage), study_id, after=after)


def read(details: StudyDetails, study_id: int, *, after: int = 0) -> Any:
    pieces = details.write(study_id, after=after)
    assert pieces is not None
    return json.loads(b"".join(pieces))


def theirs(storage: Storage, study_id: int, *, after: int = 0) -> Any:
    return json.loads(ask(wsgi(storage.optuna), f"/api/studies/{study_id}?after={after}").body)


def in_order(value: Any) -> Any:
    """Neither answer promises the order of parameters and attributes."""
    if isinstance(value, dict):
        return {key: in_order(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted((in_order(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def full_template(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database of each kind with a study with everything in it, to be copied; the URL."""
    folder = tmp_path_factory.mktemp("full")
    if request.param == "sqlite":
        shutil.copyfile(request.getfixturevalue("sqlite_template"), folder / "tuner.db")
        url = f"sqlite:///{folder / 'tuner.db'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.url(server.create_database(template=request.getfixturevalue("postgres_template")))
    with open_storage(url) as storage:
        _fill(storage, ArtifactStore(str(folder / "artifacts")))
    yield url
    if request.param == "postgres":
        server.drop_database(url.rpartition("/")[2])


def _fill(storage: Storage, artifacts: ArtifactStore) -> None:
    """Store finals, notes, files, failures, odd numbers, categories."""
    study = create_study(storage, trials=8)
    end_trial(storage, begin_trial(storage, study, curve=(0.5, 0.7)), score=0.7)
    end_trial(storage, begin_trial(storage, study), score=None, kind="nan_loss")
    odd = begin_trial(storage, study)
    for epoch, value in enumerate((math.nan, math.inf, -math.inf), start=1):
        report_epoch(storage, odd, epoch=epoch, accuracy=value)
    trial = optuna.Trial(optuna.load_study(study_name="s", storage=storage.optuna), odd.trial_id)
    trial.suggest_categorical("optimizer", ["adam", "sgd", None, True])
    trial.set_user_attr("where", "here")
    trial.set_user_attr("many", list(range(900)))
    end_trial(storage, odd, score=0.9)
    finish_study(storage, artifacts, study)
    DashboardPublisher(storage, artifacts).publish(find_study(storage, "s"))


@pytest.fixture
def full(full_template: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    """The test's own copy of the database with a study with everything in it."""
    place = full_template.rpartition("/")[2]
    if full_template.startswith("sqlite"):
        shutil.copyfile(full_template.removeprefix("sqlite:///"), tmp_path / place)
        with open_storage(f"sqlite:///{tmp_path / place}") as storage:
            yield storage
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    copy = server.create_database(template=place)
    with open_storage(server.url(copy)) as storage:
        yield storage
    server.drop_database(copy)


@pytest.mark.parametrize("after", [0, 3, 8, 99])
def test_both_answers_are_equal(full: Storage, after: int) -> None:
    number = find_study(full, "s").optuna_study_id
    own, optunas = ours(full, number, after=after), theirs(full, number, after=after)

    left = own.pop("trials_left")
    optunas = json.loads(json.dumps(optunas).replace('"key": "slot"', '"key": "place in the budget (from 0)"'))
    optunas = json.loads(json.dumps(optunas).replace('"key": "failure"', '"key": "why it failed"'))

    assert in_order(own) == in_order(optunas)
    assert [trial["number"] for trial in own["trials"]] == [trial["number"] for trial in optunas["trials"]]
    assert left <= 0


def test_a_study_without_trials_is_answered_too(full: Storage) -> None:
    number = create_study(full, "empty").optuna_study_id
    own = ours(full, number)

    del own["trials_left"]

    assert in_order(own) == in_order(theirs(full, number))


def test_a_study_that_is_older_than_its_metrics_name_has_it_too(full: Storage) -> None:
    study = create_study(full, "old")
    with full.engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM study_system_attributes"))

    own = ours(full, study.optuna_study_id)

    assert "objective_names" not in theirs(full, study.optuna_study_id)
    assert own["objective_names"] == [study.definition.objective.label]


def test_optuna_itself_knows_the_metrics_name(full: Storage) -> None:
    study = optuna.load_study(study_name="s", storage=full.optuna)

    assert study.metric_names == [find_study(full, "s").definition.objective.label]


def test_a_study_of_optunas_alone_is_left_to_optuna_dashboard(full: Storage) -> None:
    study_id = full.optuna.create_new_study([optuna.study.StudyDirection.MINIMIZE], "foreign")

    assert StudyDetails(storage=full).write(study_id, after=0) is None


def test_the_page_gets_the_first_trials_and_then_the_rest(full: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_detail, "PIECE", 3)
    monkeypatch.setattr(study_detail, "FIRST", 3)
    number = find_study(full, "s").optuna_study_id

    first, rest = ours(full, number), ours(full, number, after=3)

    assert [trial["number"] for trial in first["trials"]] == [0, 1, 2]
    assert first["trials_left"] == 5
    assert [trial["number"] for trial in rest["trials"]] == [3, 4, 5, 6, 7]
    assert rest["trials_left"] == 0


def test_what_is_remembered_follows_running_trials_and_notes(full: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_detail, "PIECE", 2)
    study = create_study(full, "running")
    details = StudyDetails(storage=full)
    end_trial(full, begin_trial(full, study), score=0.5)
    begun = begin_trial(full, study)

    def shown() -> Any:
        return read(details, study.optuna_study_id)["trials"]

    before = shown()
    end_trial(full, begun, score=0.6)
    ended = shown()
    full.optuna.set_study_system_attr(study.optuna_study_id, f"dashboard:{begun.trial_id}:note_ver", 1)
    full.optuna.set_study_system_attr(study.optuna_study_id, f"dashboard:{begun.trial_id}:note_str:0", "seen")
    noted = shown()

    assert [trials[1]["state"] for trials in (before, ended, noted)] == ["Running", "Complete", "Complete"]
    assert [trials[1]["note"]["body"] for trials in (before, ended, noted)] == ["", "", "seen"]


def test_trials_behind_a_number_that_no_trial_has_are_shown(storage_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_detail, "PIECE", 2)
    with open_storage(storage_url) as storage:
        study = create_study(storage)
        end_trial(storage, begin_trial(storage, study), score=0.5)
        # Its workers died before they began a trial.
        lost = claim_slot(storage, owner="w1")
        assert lost is not None
        end_slot(storage, lost, failed_outcome("search", Failure(kind="worker_died", message="-")))
        for score in (0.6, 0.7, 0.8):
            end_trial(storage, begin_trial(storage, study), score=score)
        details = StudyDetails(storage=storage)

        shown = [read(details, study.optuna_study_id, after=after) for after in (0, 1, 3, 0)]
        expected = [theirs(storage, study.optuna_study_id, after=after) for after in (0, 1, 3, 0)]

    numbers = [[trial["number"] for trial in answer["trials"]] for answer in shown]
    assert numbers == [[0, 2, 3, 4], [2, 3, 4], [4], [0, 2, 3, 4]]
    assert numbers == [[trial["number"] for trial in answer["trials"]] for answer in expected]
    assert [trial["number"] for trial in shown[0]["best_trials"]] == [4]


def test_a_study_that_is_deleted_meanwhile_is_left_to_optuna_dashboard(
    full: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = find_study(full, "s")
    read_head = study_detail.read_study_head

    def delete_after_reading(storage: Storage, study_id: int) -> Any:
        head = read_head(storage, study_id)
        delete_study(full, study)
        return head

    monkeypatch.setattr(study_detail, "read_study_head", delete_after_reading)

    assert StudyDetails(storage=full).write(study.optuna_study_id, after=0) is None


def test_nothing_that_is_remembered_of_a_deleted_study_is_shown_of_the_one_that_has_its_number(
    storage_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_detail, "PIECE", 1)
    with open_storage(storage_url) as storage, open_storage(storage_url) as elsewhere:
        details = StudyDetails(storage=storage)
        shown, remembered = [], []
        for score in (0.5, 0.6):
            study = create_study(elsewhere)
            end_trial(elsewhere, begin_trial(elsewhere, study), score=score)
            path = f"/api/studies/{study.optuna_study_id}"
            assert refuse_unanswerable(storage, {"REQUEST_METHOD": "GET"}, path) is None
            shown.append(read(details, study.optuna_study_id)["trials"][0]["values"])
            remembered.append([trial.value for trial in storage.optuna.get_all_trials(study.optuna_study_id)])
            delete_study(elsewhere, study)

    assert shown == [[0.5], [0.6]]
    assert remembered == [[0.5], [0.6]]
