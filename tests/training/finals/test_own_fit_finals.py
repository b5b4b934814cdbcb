"""The finals of a space with a `fit` of its own, by a worker in this process."""

from pathlib import Path
from typing import Any

import pytest

from tuner.artifacts import ArtifactStore
from tuner.finals.jobs import RETRAINED_ON_TRAIN
from tuner.finals.study_data import DataPlaces
from tuner.studies.definition import make_definition
from tuner.studies.reading import load_study, read_slots
from tuner.studies.storage import open_storage
from tuner.workers.creation import create_study
from tuner.workers.loop import Worker, WorkerSettings

SMALL = [
    "search.train_images=200", "search.pruner=none", "finals.top=1", "finals.candidates=1", "finals.confirm_repeats=1",
    "finals.repeats=1", "finals.epochs=2",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_finals_give_it_images_to_validate_on_and_say_what_they_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    definition = make_definition(
        space="own_builders.fits:OwnLoop", dataset="digits", name="own", trials=1, epochs=1, overrides=SMALL
    )
    with open_storage(f"sqlite:///{tmp_path / 's.db'}") as storage:
        study = create_study(storage, definition, data_dir=tmp_path, check=False)
        worker = Worker(
            storage,
            WorkerSettings(
                worker_id="w",
                studies=["own"],
                device="cpu",
                places=DataPlaces(data_dir=tmp_path, cache_dir=tmp_path / "cache"),
                artifacts=ArtifactStore(str(tmp_path / "artifacts")),
                until_done=True,
                lease_s=30.0,
            ),
        )
        worker.run()
        rows = read_slots(storage, study.id)
        record = load_study(storage, "own")

    (retrained,) = [row for row in rows if row.stage == "retrain"]
    outcome: dict[str, Any] = retrained.outcome
    assert (outcome["state"], outcome["augmented"]) == ("complete", False)
    assert outcome["val_accuracy"] is not None
    assert outcome["notes"][0] == RETRAINED_ON_TRAIN
    assert [note.partition(":")[0] for note in outcome["notes"][1:]] == [
        "Trained without the cosine annealing",
        "Trained without augmentation",
    ]
    assert record.without_augmentation is None, "there is nothing to compare"
    assert record.state == "done"
