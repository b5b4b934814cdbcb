"""Which study the next free worker works for."""

import threading
import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.definitions.files import DefinitionError
from tuner.studies.definitions.making import make_definition
from tuner.studies.lifecycle import Study, find_study, insert_study
from tuner.studies.sharing_changes import change_sharing
from tuner.studies.slots import claims
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import Lease, end_slot, release_slot
from tuner.studies.slots.outcomes import ConfirmJob, SearchOutcome
from tuner.studies.slots.slot import create_slots
from tuner.studies.slots.turns import Turn, list_turns


def insert(storage: Storage, name: str, *overrides: str, trials: int = 20) -> Study:
    definition = make_definition(space="mlp", dataset="digits", name=name, trials=trials, overrides=overrides)
    return insert_study(storage, definition, class_names=["0", "1"], provenance={})


def claim(storage: Storage, names: Sequence[str] = ()) -> Lease:
    """Let another worker claim a slot."""
    lease = claim_slot(storage, owner=uuid.uuid4().hex, study_names=names)
    assert lease is not None
    return lease


def claim_names(storage: Storage, n: int) -> list[str]:
    return [claim(storage).study_name for _ in range(n)]


def end(storage: Storage, lease: Lease) -> None:
    end_slot(storage, lease, SearchOutcome(state="complete", score=0.5, best_epoch=1))


def test_equal_studies_get_equal_numbers_of_workers_whatever_their_size_and_age(storage: Storage) -> None:
    insert(storage, "large", trials=200)
    insert(storage, "small", trials=3)

    claimed = claim_names(storage, 8)

    assert claimed == ["large", "small"] * 3 + ["large"] * 2


def test_the_study_of_higher_priority_gets_all_workers_until_nothing_of_it_waits(storage: Storage) -> None:
    insert(storage, "low")
    insert(storage, "high", "sharing.priority=5", trials=3)

    claimed = claim_names(storage, 5)

    assert claimed == ["high"] * 3 + ["low"] * 2


def test_weights_divide_the_workers_in_their_proportion(storage: Storage) -> None:
    insert(storage, "one")
    insert(storage, "three", "sharing.weight=3")

    claimed = claim_names(storage, 16)

    assert Counter(claimed) == {"one": 4, "three": 12}


def test_max_workers_limits_the_leased_slots_and_a_freed_place_is_taken_again(storage: Storage) -> None:
    insert(storage, "narrow", "sharing.max_workers=2", "sharing.priority=1")
    insert(storage, "wide")

    first = claim(storage)
    claimed = claim_names(storage, 3)
    release_slot(storage, first)

    assert (first.study_name, *claimed) == ("narrow", "narrow", "wide", "wide")
    assert claim_names(storage, 2) == ["narrow", "wide"]


def test_max_workers_holds_for_workers_that_claim_at_the_same_moment(storage_url: str, storage: Storage) -> None:
    insert(storage, "narrow", "sharing.max_workers=3", "sharing.priority=1", trials=200)
    insert(storage, "narrow-too", "sharing.max_workers=2", trials=200)
    n_rounds, n_workers = 6, 7
    claimed: list[list[str]] = [[] for _ in range(n_rounds)]
    barrier = threading.Barrier(n_workers, timeout=60)

    def work(own: Storage) -> None:
        for names in claimed:
            barrier.wait()
            lease = claim_slot(own, owner=threading.current_thread().name)
            if lease is not None:
                names.append(lease.study_name)
            barrier.wait()
            if lease is not None:
                end(own, lease)

    with ExitStack() as stack:
        storages = [stack.enter_context(open_storage(storage_url)) for _ in range(n_workers)]
        threads = [threading.Thread(target=work, args=[own]) for own in storages]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert [Counter(names) for names in claimed] == [Counter({"narrow": 3, "narrow-too": 2})] * n_rounds


def test_a_limit_that_is_set_after_a_worker_has_listed_the_studies_holds_for_its_claim(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def list_and_limit(*arguments: Any) -> Sequence[Turn]:
        turns = list_turns(*arguments)
        change_sharing(other, "narrowed", {"max_workers": 1})
        return turns

    with open_storage(postgres_url) as storage, open_storage(postgres_url) as other:
        insert(storage, "narrowed", "sharing.priority=1")
        insert(storage, "wide")
        first = claim(storage)
        monkeypatch.setattr(claims, "list_turns", list_and_limit)
        raced = claim(storage)
        monkeypatch.undo()
        release_slot(storage, first)

        assert (first.study_name, raced.study_name) == ("narrowed", "wide")
        assert claim_names(storage, 2) == ["narrowed", "wide"]


def test_a_worker_for_named_studies_shares_itself_among_these_alone(storage: Storage) -> None:
    for name in ("a", "b", "c"):
        insert(storage, name)

    claimed = [claim(storage, names=["b", "c"]).study_name for _ in range(4)]

    assert claimed == ["b", "c"] * 2


def test_jobs_of_finals_take_their_turn_like_trials(storage: Storage) -> None:
    searching = insert(storage, "searching")
    done = insert(storage, "in-finals", trials=1)
    end(storage, claim(storage, names=["in-finals"]))
    with storage.engine.begin() as connection:
        jobs = [ConfirmJob(trial=0, hyperparameters={}, repeat=repeat, seed=repeat) for repeat in range(3)]
        create_slots(connection, done.id, "confirm", jobs)

    leases = [claim(storage) for _ in range(4)]

    assert [lease.study_id for lease in leases] == [searching.id, done.id] * 2
    assert [lease.stage for lease in leases] == ["search", "confirm"] * 2


def test_what_is_set_while_a_study_runs_counts_from_the_next_claim_on(storage: Storage) -> None:
    insert(storage, "old")
    insert(storage, "urgent")
    before = claim_names(storage, 2)

    changed = change_sharing(storage, "urgent", {"priority": 5, "max_workers": 3})
    after = claim_names(storage, 3)
    change_sharing(storage, "urgent", {"max_workers": None})

    assert (before, after) == (["old", "urgent"], ["urgent", "urgent", "old"])
    assert changed.definition.sharing.model_dump() == {"priority": 5, "weight": 1.0, "max_workers": 3}
    assert claim(storage).study_name == "urgent"


def test_a_wrong_share_changes_nothing(storage: Storage, study: Study) -> None:
    with pytest.raises(DefinitionError, match=r"tuner study set: weight: received 0, expected a number above 0"):
        change_sharing(storage, study.name, {"weight": 0})

    assert find_study(storage, study.name).definition == study.definition


def test_no_worker_and_no_study_starves_among_twenty_of_different_sizes_and_priorities(storage: Storage) -> None:
    sizes = {f"s{number}": 1 + number % 7 for number in range(20)}
    for number, (name, trials) in enumerate(sizes.items()):
        limit = [f"sharing.max_workers={1 + number % 2}"] if number % 3 == 0 else []
        insert(
            storage, name, f"sharing.priority={number % 4}", f"sharing.weight={1 + number % 5}", *limit, trials=trials
        )
    held: list[Lease] = []
    order: list[str] = []

    while len(order) < sum(sizes.values()):
        while len(held) < 6 and (lease := claim_slot(storage, owner=f"w{len(held)}")):
            held.append(lease)
            order.append(lease.study_name)
        # A worker finds no slot only where every study that has one is at its limit.
        assert held
        end(storage, held.pop(0))

    assert Counter(order) == sizes
    priorities = [int(name[1:]) % 4 for name in order]
    assert priorities[:6] == [3] * 6
    assert sum(priorities[:20]) > sum(priorities[-20:])
