"""A study of one factor at a time in the database: its slots, whoever works on them, and further repeats."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tuner.jobs.creation import DefinitionChangedError, find_equal_study
from tuner.jobs.finals.planning import advance_study, plan_next_jobs
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.making import make_definition
from tuner.studies.lifecycle import StudyStateError, extend_by_repeats, extend_study, find_study, insert_study
from tuner.studies.records.export import export_trials
from tuner.studies.records.reading import load_outline, load_study, load_trial, read_slots
from tuner.studies.repeats import WholeRepeatsError, repeat_jobs, training_seed
from tuner.studies.seeds import trial_seed
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import Lease, end_slot, release_owned
from tuner.studies.slots.outcomes import ConfirmJob, SearchJob, SearchOutcome
from tuner.studies.trials import close_ended_trials, open_trial

CONFIGURATIONS = [
    SearchJob(values={"units": 8, "rate": 0.1}),
    SearchJob(values={"units": 16, "rate": 0.1}, varied={"units": 16}),
    SearchJob(values={"units": 8, "rate": 0.2}, varied={"rate": 0.2}),
]


@pytest.fixture
def storage(storage_url: str) -> Iterator[Storage]:
    with open_storage(storage_url) as opened:
        yield opened


def define(*overrides: str, **settings: Any) -> StudyDefinition:
    settings = {"vary": {"units": [8, 16], "rate": [0.2]}, **settings}
    return make_definition(
        space="mlp", dataset="digits", name="s", seed=3, overrides=["search.repeats=2", *overrides], **settings
    )


def create(storage: Storage, *overrides: str) -> None:
    definition = define(*overrides)
    jobs = repeat_jobs(CONFIGURATIONS, range(2), seed=3)
    insert_study(
        storage,
        definition.with_budget(len(jobs)),
        class_names=["0", "1"],
        provenance={"data_sha256": "0"},
        first_jobs=jobs,
    )


def begin(storage: Storage, worker: str) -> tuple[Lease, dict[str, Any]]:
    """Claim a slot and ask for the hyperparameters; return them with what the trial would be trained with."""
    lease = claim_slot(storage, owner=worker, study_names=["s"])
    assert lease is not None
    assert isinstance(lease.job, SearchJob)
    trial, _ = open_trial(storage, find_study(storage, "s"), lease)
    values = {"units": trial.suggest_int("units", 1, 100), "rate": trial.suggest_float("rate", 0.0, 1.0)}
    return lease, {**values, "seed": training_seed(lease.job, study_seed=3, position=lease.position)}


def end(storage: Storage, lease: Lease, values: dict[str, Any], score: float = 0.5) -> None:
    hyperparameters = {name: value for name, value in values.items() if name != "seed"}
    end_slot(
        storage,
        lease,
        SearchOutcome(state="complete", score=score, best_epoch=1, hyperparameters=hyperparameters),
    )
    close_ended_trials(storage)


def run_all(storage: Storage) -> list[dict[str, Any]]:
    trained = []
    waiting = sum(slot.state == "waiting" for slot in read_slots(storage, find_study(storage, "s").id))
    for number in range(waiting):
        lease, values = begin(storage, f"w{number % 3}")
        end(storage, lease, values, score=0.5 + number / 100)
        trained.append(values)
    return trained


def expected(repeats: range) -> list[dict[str, Any]]:
    return [{**job.values, "seed": trial_seed(3, repeat)} for repeat in repeats for job in CONFIGURATIONS]


def test_each_slot_has_its_value_and_its_seed_whoever_takes_it_and_however_often(storage: Storage) -> None:
    create(storage)

    first = [begin(storage, worker) for worker in ("w1", "w2", "w3")]
    assert release_owned(storage, "w2") == 1
    again, values = begin(storage, "w4")

    assert [values for _, values in first] == expected(range(1))
    assert (again.slot_id, again.attempts, values) == (first[1][0].slot_id, 2, first[1][1])
    assert begin(storage, "w5")[1] == expected(range(2))[3]


def test_records_and_exports_tell_repeat_seed_and_what_is_varied(storage: Storage, tmp_path: Path) -> None:
    create(storage)
    run_all(storage)
    export_trials(load_study(storage, "s"), tmp_path / "s.json")
    export_trials(load_study(storage, "s"), tmp_path / "s.csv")

    told = [(trial.repeat, trial.seed, trial.varied) for trial in load_outline(storage, "s").trials]
    assert told == [
        (repeat, trial_seed(3, repeat), varied) for repeat in (0, 1) for varied in ({}, {"units": 16}, {"rate": 0.2})
    ]
    exported = json.loads((tmp_path / "s.json").read_text())
    assert [(one["repeat"], one["seed"], one["varied"]) for one in exported] == told
    header, first, second, *_ = (tmp_path / "s.csv").read_text().splitlines()
    assert header.endswith(",repeat,varied,hp_rate,hp_units")
    assert first.endswith(",0,,0.1,8")
    assert second.endswith(",0,units=16,0.1,16")
    assert load_trial(storage, "s", 4)[1].seed == trial_seed(3, 1)


def test_a_study_is_extended_by_whole_repeats_with_further_seeds(storage: Storage) -> None:
    create(storage)
    run_all(storage)

    extended = extend_by_repeats(storage, "s", n_repeats=1)
    assert (extended.budget, extended.state) == (9, "searching")
    assert run_all(storage) == expected(range(2, 3))
    assert extend_study(storage, "s", n_trials=6).budget == 15
    assert run_all(storage) == expected(range(3, 5))

    with pytest.raises(WholeRepeatsError, match="multiple of 3 trials, or `tuner study extend s --repeats 1`"):
        extend_study(storage, "s", n_trials=4)
    assert find_study(storage, "s").budget == 15


def test_repeats_are_for_comparisons_alone(storage: Storage) -> None:
    definition = make_definition(space="mlp", dataset="digits", name="plain")
    insert_study(storage, definition, class_names=["0"], provenance={})

    with pytest.raises(StudyStateError, match="the sampler 'tpe', which repeats nothing"):
        extend_by_repeats(storage, "plain", n_repeats=1)


def test_a_comparison_ends_without_finals_unless_they_are_asked_for(storage: Storage) -> None:
    create(storage)
    run_all(storage)

    assert advance_study(storage, find_study(storage, "s")) is False
    assert find_study(storage, "s").state == "done"


def test_finals_confirm_different_configurations(storage: Storage) -> None:
    create(storage, "finals.top=2", "finals.candidates=2", "finals.confirm_repeats=1")
    run_all(storage)
    study = find_study(storage, "s")

    stage, jobs = plan_next_jobs(study.definition, read_slots(storage, study.id)) or ("", [])

    # The second repeats scored better; the last two trials are of different values.
    assert stage == "confirm"
    assert [job.trial for job in jobs if isinstance(job, ConfirmJob)] == [5, 4]
    assert advance_study(storage, study)


def test_the_same_definition_finds_its_study_and_more_repeats_are_added_with_extend(storage: Storage) -> None:
    create(storage)

    assert find_equal_study(storage, define()) is not None
    with pytest.raises(DefinitionChangedError, match=r"search.repeats: 2 -> 5.*`tuner study extend s --repeats 3`"):
        find_equal_study(storage, define("search.repeats=5"))
