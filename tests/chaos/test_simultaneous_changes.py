"""Several people extend, stop, resume and delete one study at the same moment, and ask for finals.

Hundreds of rounds, by hand, in minutes:

    TUNER_RACE_ROUNDS=300 pytest tests/chaos/test_simultaneous_changes.py --timeout=0
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import numpy as np
import pytest

from chaos.races import ROUNDS
from tuner.jobs.finals.planning import advance_study
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.definitions.making import make_definition
from tuner.studies.finals_request import change_finals
from tuner.studies.lifecycle import (
    Study,
    StudyExistsError,
    StudyNotFoundError,
    StudyStateError,
    delete_study,
    extend_study,
    find_study,
    insert_study,
    list_names,
    resume_study,
    stop_study,
)
from tuner.studies.records.reading import read_slots
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import LeaseLostError, release_slot
from tuner.studies.trials import open_trial

N_PEOPLE = 4
#: What a person is told, in a line: all else is a fault.
TOLD = (StudyStateError, StudyNotFoundError, StudyExistsError, LeaseLostError)
Change = Callable[[Storage], object]

pytestmark = pytest.mark.timeout(0 if ROUNDS > 20 else 300)


@pytest.fixture
def people(storage_url: str) -> Iterator[Sequence[Storage]]:
    """A connection to the database for each of them."""
    with ExitStack() as opened:
        yield [opened.enter_context(open_storage(storage_url)) for _ in range(N_PEOPLE)]


def make(storage: Storage, *, name: str = "s", trials: int = 2) -> Study:
    definition = make_definition(space="mlp", dataset="digits", name=name, trials=trials, epochs=1)
    return insert_study(storage, definition, class_names=["0"], provenance={"data_sha256": "0" * 64})


def at_once(people: Sequence[Storage], changes: Sequence[Change]) -> list[Exception | None]:
    """Let each person make a change at the same moment; return what each was told."""
    start = threading.Barrier(len(changes))
    answers: list[Exception | None] = [None] * len(changes)

    def act(index: int) -> None:
        start.wait()
        try:
            changes[index](people[index])
        except Exception as error:  # noqa: BLE001 - the test looks at it
            answers[index] = error

    threads = [threading.Thread(target=act, args=[index]) for index in range(len(changes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def extend(storage: Storage) -> None:
    extend_study(storage, "s", n_trials=3)


def stop(storage: Storage) -> None:
    stop_study(storage, find_study(storage, "s"))


def resume(storage: Storage) -> None:
    resume_study(storage, "s")


def ask_for_finals(storage: Storage) -> None:
    change_finals(storage, find_study(storage, "s"), top=2, repeats=1)


def advance(storage: Storage) -> None:
    advance_study(storage, find_study(storage, "s"))


def work(storage: Storage) -> None:
    study = find_study(storage, "s")
    lease = claim_slot(storage, owner="w")
    if lease is not None and lease.study_uid == study.uid:
        open_trial(storage, study, lease)
        release_slot(storage, lease)


def test_simultaneous_extensions_all_count(people: Sequence[Storage]) -> None:
    study = make(people[0])

    answers = [answer for _ in range(ROUNDS) for answer in at_once(people, [extend] * N_PEOPLE)]

    rows = read_slots(people[0], study.id)
    budget = 2 + 3 * N_PEOPLE * ROUNDS
    assert answers == [None] * N_PEOPLE * ROUNDS
    assert find_study(people[0], "s").budget == budget
    assert sorted(row.position for row in rows) == list(range(budget))


def test_a_stop_is_never_overwritten_by_an_extension_or_a_second_stop(people: Sequence[Storage]) -> None:
    make(people[0])

    states = []
    for _ in range(ROUNDS):
        assert at_once(people, [extend, stop, extend, stop]) == [None] * 4
        states.append(find_study(people[0], "s").state)
        resume(people[0])

    assert states == ["stopped"] * ROUNDS
    assert find_study(people[0], "s").state == "searching"


def test_of_simultaneous_resumptions_one_counts_and_the_others_are_told(people: Sequence[Storage]) -> None:
    make(people[0])

    for _ in range(ROUNDS):
        stop(people[0])
        answers = at_once(people, [resume] * N_PEOPLE)

        assert sum(answer is None for answer in answers) == 1
        assert all(answer is None or "nothing to resume" in str(answer) for answer in answers)
        assert find_study(people[0], "s").state == "searching"


def test_whatever_happens_at_once_a_study_stays_whole(people: Sequence[Storage]) -> None:
    random = np.random.default_rng(ROUNDS)
    study = make(people[0], trials=4)
    n_extensions = 0

    for _ in range(2 * ROUNDS):
        changes = [[extend, stop, resume, ask_for_finals, advance, work][index] for index in random.integers(6, size=4)]
        answers = at_once(people, changes)

        assert [answer for answer in answers if not isinstance(answer, (type(None), *TOLD))] == []
        n_extensions += sum(change is extend for change in changes)
        now = find_study(people[0], "s")
        assert now.budget == 4 + 3 * n_extensions
        assert now.state in {"searching", "finals", "stopped", "done"}
        positions = [row.position for row in read_slots(people[0], study.id) if row.stage == "search"]
        assert len(positions) == len(set(positions))


def test_deleting_and_making_anew_at_once_leaves_one_study_or_none(people: Sequence[Storage]) -> None:
    def delete(storage: Storage) -> None:
        delete_study(storage, find_study(storage, "s"))

    for _ in range(ROUNDS):
        if not list_names(people[0]):
            make(people[0])
        answers = at_once(people, [delete, make, delete, work])

        assert [answer for answer in answers if not isinstance(answer, (type(None), *TOLD))] == []
        names = list_names(people[0])
        assert names in ([], ["s"])
        studies_of_optuna = [one.study_name for one in people[0].optuna.get_all_studies()]
        assert studies_of_optuna == names
        if names:
            study = find_study(people[0], "s")
            assert len(read_slots(people[0], study.id)) == study.budget
