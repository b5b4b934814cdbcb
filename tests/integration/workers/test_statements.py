"""How many SQL statements an epoch takes, its lease and the pruner's decision included."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

import tuner.workers.reporter
from tuner.epochs import Epoch
from tuner.studies.database.storage import Storage
from tuner.studies.definitions.making import make_definition
from tuner.studies.lifecycle import Study, insert_study
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import end_slot
from tuner.studies.slots.outcomes import SearchOutcome
from tuner.studies.trials import PrunedError, close_ended_trials, open_trial
from tuner.workers.reporter import Reporter

EPOCHS = 9
MOST = 3 * EPOCHS


@contextmanager
def counted(storage: Storage) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    sa.event.listen(storage.engine, "before_cursor_execute", note)
    yield statements
    sa.event.remove(storage.engine, "before_cursor_execute", note)


@pytest.fixture
def study(storage: Storage) -> Study:
    definition = make_definition(space="mlp", dataset="digits", name="s", trials=40, epochs=EPOCHS)
    return insert_study(storage, definition, class_names=["0", "1"], provenance={})


def epoch_with(epoch: int, accuracy: float) -> Epoch:
    return Epoch(
        epoch=epoch,
        loss=1.0,
        accuracy=accuracy,
        val_loss=1.0,
        val_accuracy=accuracy,
        learning_rate=1e-3,
        duration_s=0.1,
    )


def run_trial(storage: Storage, study: Study, *, level: float, epochs_at_once: bool) -> list[str]:
    """Run one trial without training, and return the statements of its epochs."""
    lease = claim_slot(storage, owner="w")
    assert lease is not None
    trial, scores = open_trial(storage, study, lease)
    state = "complete"
    with pytest.MonkeyPatch.context() as patch, Reporter(storage, "w", lease_s=30) as reporter:
        reporter.hold(lease)
        reporter.pass_scores_to(scores)
        if not epochs_at_once:
            # As with epochs that take longer than the interval.
            patch.setattr(tuner.workers.reporter, "_INTERVAL_S", 0.0)
        with counted(storage) as statements:
            try:
                for epoch in range(1, EPOCHS + 1):
                    reporter.finish_epoch(epoch_with(epoch, level + 0.01 * epoch))
                    if not epochs_at_once:
                        reporter.flush()
            except PrunedError:
                state = "pruned"
            reporter.flush()
    end_slot(storage, lease, SearchOutcome(state=state, score=level, best_epoch=1))
    close_ended_trials(storage)
    stored = storage.optuna.get_trial(trial._trial_id).intermediate_values
    assert stored == pytest.approx({epoch: level + 0.01 * epoch for epoch in stored})
    assert len(stored) == EPOCHS or state == "pruned"
    return statements


@pytest.mark.parametrize("epochs_at_once", [True, False])
def test_an_epoch_takes_three_statements_at_most_however_many_trials_there_are(
    storage: Storage, study: Study, *, epochs_at_once: bool
) -> None:
    first = run_trial(storage, study, level=0.5, epochs_at_once=epochs_at_once)
    for number in range(30):
        run_trial(storage, study, level=0.4 + number * 1e-3, epochs_at_once=True)
    last = run_trial(storage, study, level=0.8, epochs_at_once=epochs_at_once)

    assert 0 < len(first) <= MOST
    assert 0 < len(last) <= MOST


@pytest.mark.timeout(60)
@pytest.mark.usefixtures("study")
def test_a_reporter_keeps_no_result_of_a_slot_that_was_let_go(storage: Storage) -> None:
    lease = claim_slot(storage, owner="w")
    assert lease is not None
    # Its thread is busy: nothing is stored.
    reporter = Reporter(storage, "w", lease_s=30)
    reporter.hold(lease)
    reporter.finish_epoch(epoch_with(1, 0.5))

    reporter.let_go()

    # It would wait for the result to be stored.
    reporter.flush()
