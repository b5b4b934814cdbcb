"""What Optuna Dashboard shows of a study: written whenever it is out of date, never twice, removed with the study."""

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna_dashboard import get_note, save_note
from PIL import Image
from support.postgres import PostgresServer
from support.running_studies import begin_trial, create_study, end_trial, finish_study
from support.wsgi_client import ask

from tuner.artifacts import ArtifactStore
from tuner.dashboard.site import Site, open_site
from tuner.studies.database.storage import Storage, open_storage, open_storage_to_read
from tuner.studies.garbage import find_garbage
from tuner.studies.lifecycle import Study, delete_study, extend_study, find_study
from tuner.studies.records.reading import load_study
from tuner.workers.dashboard_publisher import DashboardPublisher


@pytest.fixture(scope="module")
def finished_place(
    postgres_server: PostgresServer, postgres_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """A database with a finished study, and the folder of its artifacts, to be copied."""
    name = postgres_server.create_database(template=postgres_template)
    folder = tmp_path_factory.mktemp("finished")
    with open_storage(postgres_server.url(name)) as storage:
        finish_study(storage, ArtifactStore(str(folder)), create_study(storage))
    yield name, folder
    postgres_server.drop_database(name)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database of the test's own: of tests that take `finished` one with a finished study."""
    is_finished = "finished" in request.fixturenames
    place = (
        request.getfixturevalue("finished_place")[0] if is_finished else request.getfixturevalue("postgres_template")
    )
    name = postgres_server.create_database(template=place)
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture
def finished(storage: Storage, finished_place: tuple[str, Path], tmp_path: Path) -> Study:
    # Where `artifacts` has them.
    shutil.copytree(finished_place[1], tmp_path / "artifacts")
    return find_study(storage, "s")


@pytest.fixture
def study(storage: Storage) -> Study:
    return create_study(storage)


@pytest.fixture
def site(storage: Storage, postgres_url: str, artifacts: ArtifactStore) -> Iterator[Site]:
    assert storage
    with open_storage_to_read(postgres_url) as reading:
        yield open_site(reading, artifacts, storage_url=postgres_url, signed_in=False)


def detail(site: Site, study: Study) -> Any:
    """What Optuna Dashboard's page is told of a study."""
    return json.loads(ask(site, f"/api/studies/{study.optuna_study_id}").body)


def publish(storage: Storage, artifacts: ArtifactStore) -> None:
    """Do what a worker does that has just started."""
    DashboardPublisher(storage, artifacts).publish(find_study(storage, "s"))


def attributes(storage: Storage, study: Study) -> dict[str, Any]:
    return dict(storage.optuna.get_study_system_attrs(study.optuna_study_id))


def test_a_searching_study_has_a_note_and_nothing_else(
    storage: Storage, artifacts: ArtifactStore, study: Study, site: Site
) -> None:
    end_trial(storage, begin_trial(storage, study), score=0.71)

    publish(storage, artifacts)

    shown = detail(site, study)
    assert "Searches `mlp` on `digits`" in shown["note"]["body"]
    assert "71.00" in shown["note"]["body"]
    assert "/report/s" in shown["note"]["body"]
    assert shown["plotly_graph_objects"] == []
    assert artifacts.list("") == []
    # The metric's name, the note in two attributes, and the stage.
    assert len(attributes(storage, study)) == 4


def test_a_finished_study_has_a_figure_and_its_best_trials_their_files(
    storage: Storage, artifacts: ArtifactStore, finished: Study, site: Site
) -> None:
    publish(storage, artifacts)

    shown = detail(site, finished)
    (figure,) = shown["plotly_graph_objects"]
    assert "Finals" in json.loads(figure["graph_object"])["layout"]["title"]["text"]
    assert "Ensemble" in shown["note"]["body"]
    with_files = {trial["number"]: trial["artifacts"] for trial in shown["trials"] if trial["artifacts"]}
    assert len(with_files) == 3
    for number, files in with_files.items():
        names = [file["filename"] for file in files]
        assert sorted(names) == ["classes.json", "confusion.csv", "confusion.png", "worst-errors.png"], number
    trial = next(trial for trial in shown["trials"] if trial["artifacts"])
    for file in trial["artifacts"]:
        answer = ask(site, f"/artifacts/{finished.optuna_study_id}/{trial['trial_id']}/{file['artifact_id']}")
        assert answer.status == 200
        assert answer.headers["content-type"] == file["mimetype"]
        if file["mimetype"] == "image/png":
            with Image.open(io.BytesIO(answer.body), formats=["PNG"]) as picture:
                assert min(picture.size) > 100


def test_writing_again_and_by_many_adds_nothing(storage: Storage, artifacts: ArtifactStore, finished: Study) -> None:
    publish(storage, artifacts)
    once = set(attributes(storage, finished)), artifacts.list(f"{finished.folder}/dashboard")

    for _ in range(3):
        # As after a crash just before the end.
        storage.optuna.set_study_system_attr(
            finished.optuna_study_id,
            "tuner:shown",
            json.dumps({**json.loads(attributes(storage, finished)["tuner:shown"]), "stage": "crashed"}),
        )
        publish(storage, artifacts)

    assert (set(attributes(storage, finished)), artifacts.list(f"{finished.folder}/dashboard")) == once


@pytest.mark.parametrize("calls", [0, 1, 7, 12, 13, 15])
def test_a_crash_anywhere_loses_nothing(
    storage: Storage,
    artifacts: ArtifactStore,
    finished: Study,
    site: Site,
    calls: int,
) -> None:
    set_attribute, left = storage.optuna.set_study_system_attr, [calls]

    def die_after_some(study_id: int, key: str, value: Any) -> None:
        if not left[0]:
            raise SystemExit
        left[0] -= 1
        set_attribute(study_id, key, value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage.optuna, "set_study_system_attr", die_after_some)
        with pytest.raises(SystemExit):
            publish(storage, artifacts)

    publish(storage, artifacts)

    shown = detail(site, finished)
    files = [file["artifact_id"] for trial in shown["trials"] for file in trial["artifacts"]]
    assert len(files) == len(set(files)) == len(artifacts.list(f"{finished.folder}/dashboard")) == 12
    assert len(shown["plotly_graph_objects"]) == 1
    assert "Stage: done" in shown["note"]["body"]


def test_what_a_person_wrote_is_left_alone(storage: Storage, artifacts: ArtifactStore, study: Study) -> None:
    publish(storage, artifacts)
    optuna_study = optuna.load_study(study_name="s", storage=storage.optuna)
    save_note(optuna_study, "mine")

    finish_study(storage, artifacts, study)
    publish(storage, artifacts)

    assert get_note(optuna_study) == "mine"


def test_the_note_follows_the_stage(storage: Storage, artifacts: ArtifactStore, study: Study) -> None:
    showing = DashboardPublisher(storage, artifacts)
    optuna_study = optuna.load_study(study_name="s", storage=storage.optuna)
    notes = []

    showing.publish(study)
    notes.append(get_note(optuna_study))
    showing.publish(finish_study(storage, artifacts, study))
    notes.append(get_note(optuna_study))
    showing.publish(extend_study(storage, "s", n_trials=2))
    notes.append(get_note(optuna_study))

    assert ["Stage: searching" in note for note in notes] == [True, False, True]
    assert "8\u00a0trials" in notes[2]


def test_trials_that_are_no_longer_the_best_lose_their_files(
    storage: Storage, artifacts: ArtifactStore, finished: Study, site: Site
) -> None:
    publish(storage, artifacts)
    before = {trial["number"] for trial in detail(site, finished)["trials"] if trial["artifacts"]}
    extend_study(storage, "s", n_trials=3)
    finish_study(storage, artifacts, finished)

    publish(storage, artifacts)

    with open_storage_to_read(site.reports.storage_url) as reading:
        fresh = open_site(reading, artifacts, storage_url="", signed_in=False)
        after = {trial["number"] for trial in detail(fresh, finished)["trials"] if trial["artifacts"]}
    assert len(before) == 3
    assert after - before
    assert len(artifacts.list(f"{finished.folder}/dashboard")) == 4 * len(after)


def test_garbage_collection_keeps_what_is_shown(storage: Storage, artifacts: ArtifactStore, finished: Study) -> None:
    publish(storage, artifacts)
    stray = f"{finished.folder}/dashboard/stray"
    artifacts.write(stray, b"left behind")

    assert list(find_garbage(storage, artifacts)) == [stray]


def test_deleting_a_study_leaves_nothing_of_it(storage: Storage, artifacts: ArtifactStore, finished: Study) -> None:
    publish(storage, artifacts)

    delete_study(storage, finished)
    artifacts.delete(finished.folder)

    assert artifacts.list("") == []
    with storage.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT count(*) FROM study_system_attributes").scalar_one()
    assert rows == 0
    DashboardPublisher(storage, artifacts).publish(finished)
    assert artifacts.list("") == []


def test_damaged_predictions_are_named_and_cost_their_own_pictures_alone(
    storage: Storage, artifacts: ArtifactStore, finished: Study, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = load_study(storage, "s").finals[0].runs[0].predictions
    assert damaged is not None
    artifacts.write(damaged, b"damaged")

    publish(storage, artifacts)

    assert "damaged" in caplog.text
    assert len(artifacts.list(f"{finished.folder}/dashboard")) == 8
    assert "Stage: done" in detail(site, finished)["note"]["body"]
