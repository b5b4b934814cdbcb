"""A study of many trials costs what is shown of it."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.large_studies import store_large_study
from support.postgres import PostgresServer

from tuner.jobs.finals.planning import advance_study
from tuner.studies.database.schema import slots
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.lifecycle import find_study
from tuner.studies.progress import count_failures, read_all_progress
from tuner.studies.ranking import best_trials
from tuner.studies.records.reading import load_outline, load_scores, load_study, load_trial, read_slots
from tuner.studies.records.study import StudyRecord
from tuner.studies.slots.slot import ConfirmSlot

TRIALS, EPOCHS = 300, 20


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def large(
    request: pytest.FixtureRequest,
    sqlite_template: Path,
    postgres_server: PostgresServer,
    postgres_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Storage]:
    """A database, once of each kind, with a large study that tests of this module only read."""
    if request.param == "sqlite":
        url = f"sqlite:///{shutil.copyfile(sqlite_template, tmp_path_factory.mktemp('large') / 'tuner.db')}"
    else:
        url = postgres_server.url(postgres_server.create_database(template=postgres_template))
    with open_storage(url) as storage:
        store_large_study(storage, trials=TRIALS, epochs=EPOCHS)
        yield storage


@pytest.fixture
def statements(large: Storage) -> Iterator[list[str]]:
    """What is asked of the database in the test."""
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    sa.event.listen(large.engine, "before_cursor_execute", note)
    yield asked
    sa.event.remove(large.engine, "before_cursor_execute", note)


@pytest.fixture
def changeable(storage: Storage) -> Storage:
    """A database with a study of some trials that is the test's own."""
    store_large_study(storage, trials=60, epochs=2)
    return storage


@pytest.mark.parametrize("load", [load_study, load_scores, load_outline])
def test_a_study_is_read_in_a_few_statements_whatever_its_size(
    large: Storage, statements: list[str], load: Callable[[Storage, str], StudyRecord]
) -> None:
    statements.clear()

    record = load(large, "large")

    assert len(record.trials) == TRIALS
    # A report also reads what was searched and who trained.
    assert len(statements) <= (10 if load is load_scores else 7)


def test_an_outline_is_the_study_without_its_curves(large: Storage) -> None:
    whole, outline = load_study(large, "large"), load_outline(large, "large")

    assert [len(trial.curve) for trial in whole.trials] == [EPOCHS] * TRIALS
    assert outline.best == whole.best.__class__(**_values(whole.best) | {"curve": ()})
    # Those that run have no outcome yet; their epochs are what they have reported.
    assert [len(trial.curve) for trial in outline.trials] == [0] * (TRIALS - 5) + [EPOCHS] * 5
    for one, other in zip(whole.trials, outline.trials, strict=True):
        assert _values(one) | {"curve": ()} == _values(other) | {"curve": ()}
        assert list(one.hyperparameters) == list(other.hyperparameters)


def test_a_number_in_an_outline_is_of_the_kind_that_was_stored(changeable: Storage) -> None:
    with changeable.engine.begin() as connection:
        outcome = connection.scalar(sa.select(slots.c.outcome).where(slots.c.position == 0))
        changed = outcome | {"hyperparameters": {"rate": 1e16, "units": 10**16, "half": 0.5}}
        connection.execute(sa.update(slots).where(slots.c.position == 0).values(outcome=changed))

    stored = load_outline(changeable, "large").trials[0].hyperparameters

    assert [(name, value, type(value)) for name, value in stored.items()] == [
        ("rate", 1e16, float),
        ("units", 10**16, int),
        ("half", 0.5, float),
    ]


def test_one_trial_is_read_with_its_curve_and_the_others_without(large: Storage) -> None:
    whole = load_study(large, "large")

    record, trial = load_trial(large, "large", 17)

    assert trial == whole.trials[17]
    assert [len(one.curve) for one in record.trials[:30]] == [EPOCHS if one == 17 else 0 for one in range(30)]


def test_a_report_reads_the_validation_accuracies_alone(large: Storage) -> None:
    whole, scores = load_study(large, "large"), load_scores(large, "large")

    epochs = [
        (before.epoch, before.val_accuracy) == (after.epoch, after.val_accuracy) and after.loss is None
        for one, other in zip(whole.trials, scores.trials, strict=True)
        for before, after in zip(one.curve, other.curve, strict=True)
    ]
    assert len(epochs) == TRIALS * EPOCHS
    assert all(epochs)


@pytest.mark.parametrize("read", [read_all_progress, count_failures])
def test_counting_looks_into_no_outcome_but_that_of_a_failure(
    large: Storage, statements: list[str], read: Callable[[Storage], Any]
) -> None:
    statements.clear()

    counted = read(large)

    assert counted
    # A key of JSON is asked for by an operator or a function on each database.
    of_json = [one for one in statements if re.search(r"outcome\b.*->|JSON", one)]
    assert all("tuner_slots.result = " in one for one in of_json)


def test_candidates_are_the_best_of_all_trials_though_few_are_read(changeable: Storage) -> None:
    with changeable.engine.begin() as connection:
        connection.execute(sa.delete(slots).where(slots.c.state != "done"))

    study = find_study(changeable, "large")

    assert advance_study(changeable, study)

    found = read_slots(changeable, study.id)
    confirmed = [slot.job.trial for slot in found if isinstance(slot, ConfirmSlot)]
    best = best_trials(found, study.definition.objective)[: study.definition.finals.candidates]
    assert list(dict.fromkeys(confirmed)) == [slot.trial_number for slot in best]


def _values(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}
