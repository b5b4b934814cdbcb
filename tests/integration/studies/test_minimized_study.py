"""One entry in the table of objectives makes a study of it: here the validation loss takes the accuracy's place."""

import optuna
import pytest
from optuna.study import StudyDirection
from sqlalchemy import select
from support.objectives import LOSS
from support.running_studies import begin_trial, create_study, end_trial

from tuner.epochs import Epoch
from tuner.jobs.finals.planning import advance_study
from tuner.objectives import OBJECTIVES
from tuner.studies.database.schema import slots
from tuner.studies.database.storage import Storage
from tuner.studies.definitions.making import make_definition
from tuner.studies.lifecycle import Study, find_study
from tuner.studies.progress import read_progress
from tuner.studies.ranking import read_rank
from tuner.studies.records.reading import load_scores, load_study, read_slots
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import end_slot
from tuner.studies.slots.outcomes import ConfirmJob, ConfirmOutcome
from tuner.studies.slots.slot import RetrainSlot
from tuner.studies.trial_details import read_study_head
from tuner.studies.trials import TrialScores
from tuner.studies.warm_start import best_of_earlier

LOSSES = (0.5, 0.2, 0.9, 0.3)
FINALS = (
    "finals.top=2",
    "finals.candidates=2",
    "finals.confirm_repeats=1",
    "finals.repeats=1",
    "finals.compare_augmentation=false",
)


@pytest.fixture(autouse=True)
def _the_objective_is_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OBJECTIVES, "accuracy", LOSS)  # type: ignore[arg-type]  # a dictionary in truth


@pytest.fixture
def searched(storage: Storage) -> Study:
    study = create_study(storage, trials=len(LOSSES), overrides=(*FINALS, "search.sampler=random"))
    for loss in LOSSES:
        end_trial(storage, begin_trial(storage, study, curve=(1.0, loss)), score=loss)
    return find_study(storage, "s")


def test_optuna_minimizes(storage: Storage, searched: Study) -> None:
    study = optuna.load_study(study_name=searched.name, storage=storage.optuna)

    assert study.direction == StudyDirection.MINIMIZE
    assert study.best_value == 0.2


@pytest.mark.parametrize(("objective", "direction"), [("loss", "MINIMIZE"), ("accuracy", "MAXIMIZE")])
def test_an_empty_study_of_optunas_takes_the_direction_of_the_one_made_of_it(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, objective: str, direction: str
) -> None:
    if objective == "accuracy":
        monkeypatch.undo()
    opposite = "maximize" if direction == "MINIMIZE" else "minimize"
    optuna.create_study(study_name="s", storage=storage.optuna, direction=opposite)

    study = create_study(storage)

    storage.forget()
    assert storage.optuna.get_study_directions(study.optuna_study_id) == [StudyDirection[direction]]


def test_progress_and_record_and_dashboard_name_the_lowest_as_the_best(storage: Storage, searched: Study) -> None:
    record = load_study(storage, "s")
    head = read_study_head(storage, searched.optuna_study_id)

    assert read_progress(storage, searched).best_score == 0.2
    assert record.best is not None
    assert (record.best.number, record.best.score) == (1, 0.2)
    assert head is not None
    assert head.best_trial_ids == (storage.optuna.get_all_trials(searched.optuna_study_id)[1]._trial_id,)


def test_a_running_trial_has_its_lowest_score_so_far(storage: Storage) -> None:
    begin_trial(storage, create_study(storage), curve=(0.9, 0.4, 0.6))

    (trial,) = load_study(storage, "s").trials_in("running")

    assert (trial.score, trial.best_epoch) == (0.4, 2)
    assert [(epoch.val_loss, epoch.val_accuracy) for epoch in trial.curve] == [(0.9, None), (0.4, None), (0.6, None)]


def test_a_report_reads_the_losses_of_curves_alone(storage: Storage, searched: Study) -> None:
    (curve, *_) = [trial.curve for trial in load_scores(storage, searched.name).trials]

    assert curve == (Epoch(epoch=1, loss=None, accuracy=None, val_loss=1.0, val_accuracy=None),)


def test_candidates_and_finals_are_those_of_the_lowest_scores(storage: Storage, searched: Study) -> None:
    assert advance_study(storage, searched)
    with storage.reader.connect() as connection:
        jobs = connection.scalars(select(slots.c.job).where(slots.c.stage == "confirm").order_by(slots.c.id)).all()
    for _ in jobs:
        lease = claim_slot(storage, owner="w", study_names=["s"])
        assert lease is not None
        assert isinstance(lease.job, ConfirmJob)
        # The one that was second in the search has the lower loss now.
        end_slot(storage, lease, ConfirmOutcome(state="complete", score=0.4 if lease.job.trial == 1 else 0.3))
    assert advance_study(storage, searched)

    retrained = [slot.job for slot in read_slots(storage, searched.id) if isinstance(slot, RetrainSlot)]

    assert [job["trial"] for job in jobs] == [1, 3]
    assert [(job.trial, job.val_accuracy_mean) for job in retrained] == [(3, 0.3), (1, 0.4)]
    assert [read_rank(storage, searched, trial=trial) for trial in (3, 1)] == [1, 2]
    assert [(final.trial, final.mean_score) for final in load_study(storage, "s").finals] == [(3, 0.3), (1, 0.4)]


def test_a_search_that_starts_from_it_begins_with_its_lowest(storage: Storage, searched: Study) -> None:
    definition = make_definition(
        space="mlp", dataset="digits", warm_start="s", overrides=["search.warm_start_trials=2"]
    )

    trials = storage.optuna.get_all_trials(searched.optuna_study_id)

    assert best_of_earlier(storage, definition.search) == [trials[1].params, trials[3].params]


@pytest.mark.parametrize(("loss", "ending"), [(0.3, "none"), (1.5, "pruned")])
def test_the_pruner_ends_a_trial_of_high_loss_and_no_other(storage: Storage, loss: float, ending: str) -> None:
    study = create_study(storage, trials=9, epochs=9, overrides=["search.pruner=asha"])
    for other in (0.4, 0.6, 0.8, 1.0, 1.2):
        begin_trial(storage, study, curve=(other,))
    begun = begin_trial(storage, study, curve=(loss,))
    scores = TrialScores(storage, study, trial_id=begun.trial_id, trial_number=begun.lease.trial_number or 5, stored={})
    measured = scores.read([Epoch(epoch=1, loss=0.1, accuracy=0.99, val_loss=loss, val_accuracy=0.99)])
    scores.remember(measured)

    assert measured == {1: loss}
    assert scores.should_prune(1) is (ending == "pruned")
