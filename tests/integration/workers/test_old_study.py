from pathlib import Path

from chaos.fleet import Fleet, Surroundings
from support.old_database import restore_old_database

from tuner.studies.database.storage import open_storage
from tuner.studies.lifecycle import find_study
from tuner.studies.records.reading import load_study
from tuner.studies.seeds import trial_seed


def test_a_study_of_0_1_0_goes_on_to_its_exact_budget(fleet: Fleet, tmp_path: Path) -> None:
    url = restore_old_database(tmp_path)
    with open_storage(url) as storage:
        before = load_study(storage, "under-way")

    worker = fleet.start(Surroundings(storage=url, folder=tmp_path, studies=["under-way"], real_keras=True))
    status = fleet.wait(worker, 200)

    with open_storage(url) as storage:
        after = load_study(storage, "under-way")
        state = find_study(storage, "under-way").state
    assert (status, state) == (0, "done"), worker.log
    assert [(trial.number, trial.state, len(trial.curve)) for trial in after.trials] == [
        (number, "complete", 4) for number in range(5)
    ]
    assert after.trials[:2] == before.trials[:2]
    # Optuna's names end in their conditions.
    drawn = {name.partition(" [")[0]: value for name, value in before.trials[2].hyperparameters.items()}
    assert drawn.items() <= after.trials[2].hyperparameters.items()
    assert [trial.seed for trial in after.trials] == [trial_seed(1, number) for number in range(5)]
    # No trial draws what another one has drawn.
    assert len({trial.hyperparameters["learning_rate"] for trial in after.trials}) == 5
    assert "it is of another run" in worker.log
    assert [path for path in (tmp_path / "artifacts" / "under-way").rglob("*") if path.is_file()] == []
    assert list((tmp_path / "artifacts" / "finished" / "finals").iterdir())
