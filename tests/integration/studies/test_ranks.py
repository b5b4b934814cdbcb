"""What a study's record, its next plans and its bundles call the rank of a final is one number."""

from pathlib import Path

import pytest
from support.running_studies import create_study, finish_study

from tuner.artifacts import ArtifactStore
from tuner.studies.database.storage import Storage
from tuner.studies.lifecycle import Study, extend_study, find_study
from tuner.studies.ranking import rank_finals, read_rank
from tuner.studies.records.reading import load_study, read_slots
from tuner.studies.slots.slot import RetrainSlot

SMALL = ("finals.top=1", "finals.candidates=2", "finals.confirm_repeats=1", "finals.repeats=1")


@pytest.fixture
def finished(storage: Storage, tmp_path: Path) -> Study:
    """A study of one trial with its final and the comparison without augmentation."""
    study = create_study(storage, trials=1, overrides=SMALL)
    return finish_study(storage, ArtifactStore(str(tmp_path)), study)


def test_a_better_trial_after_an_extension_has_rank_1_and_the_earlier_final_moves_down(
    storage: Storage, finished: Study, tmp_path: Path
) -> None:
    before = read_rank(storage, finished, trial=0)

    extend_study(storage, "s", n_trials=1)
    finish_study(storage, ArtifactStore(str(tmp_path)), find_study(storage, "s"))

    slots = read_slots(storage, finished.id)
    record = load_study(storage, "s")
    assert before == 1
    # Trial 1 has the better confirmation.
    assert {final.trial: final.rank for final in record.finals} == {1: 1, 0: 2}
    assert rank_finals(slots, finished.definition.objective) == {1: 1, 0: 2}
    assert [read_rank(storage, finished, trial=trial) for trial in (0, 1)] == [2, 1]
    assert record.winner is not None
    assert record.winner.trial == 1


def test_no_slot_stores_a_rank(storage: Storage, finished: Study) -> None:
    jobs = [slot.job for slot in read_slots(storage, finished.id) if isinstance(slot, RetrainSlot)]

    assert [job.augmented for job in jobs] == [True, False]
    assert not any(hasattr(job, "rank") for job in jobs)


def test_the_comparison_is_that_of_the_best_that_has_one(storage: Storage, finished: Study, tmp_path: Path) -> None:
    extend_study(storage, "s", n_trials=1)
    finish_study(storage, ArtifactStore(str(tmp_path)), find_study(storage, "s"))

    plain = load_study(storage, "s").without_augmentation

    assert finished.state == "done"
    assert plain is not None
    assert (plain.trial, plain.rank) == (1, 1)
