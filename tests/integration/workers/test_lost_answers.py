"""Each COMMIT of a trial's life is applied while its answer is lost; the trial must be there once, and whole."""

from collections.abc import Callable

from chaos.proxy import FaultyProxy
from chaos.studies import insert_chaos_study
from optuna.trial import TrialState

from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.lifecycle import find_study
from tuner.studies.records.reading import read_slots
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import end_slot, renew_lease
from tuner.studies.slots.outcomes import SearchOutcome
from tuner.studies.trials import close_ended_trials, open_trial


def live(storage: Storage, name: str) -> None:
    """Do all that a worker writes for one trial."""
    study = find_study(storage, name)
    lease = claim_slot(storage, owner="w", study_names=[study.name])
    assert lease is not None
    trial, _ = open_trial(storage, study, lease)
    value = trial.suggest_float("x", 0, 1)
    for epoch in (1, 2):
        renew_lease(storage, lease, epoch=epoch)
        trial.report(value, epoch)
    end_slot(
        storage,
        lease,
        SearchOutcome(state="complete", score=value, best_epoch=1, hyperparameters={"x": value}),
    )
    close_ended_trials(storage)


def is_whole(storage: Storage, name: str) -> bool:
    """Say whether the study's two slots and its trial are as after an undisturbed life."""
    study = find_study(storage, name)
    rows = read_slots(storage, study.id)
    trials = storage.optuna.get_all_trials(study.optuna_study_id)
    return (
        sorted((row.state, row.attempts) for row in rows) == [("done", 1), ("waiting", 0)]
        and [(trial.number, trial.state) for trial in trials] == [(0, TrialState.COMPLETE)]
        and trials[0].intermediate_values == {1: trials[0].params["x"], 2: trials[0].params["x"]}
        and trials[0].value == trials[0].params["x"]
    )


def test_the_lost_answer_to_any_commit_costs_and_doubles_nothing(
    storage: Storage, proxy: FaultyProxy, postgres_url: str
) -> None:
    insert_chaos_study(storage, name="calm", trials=2, epochs=2)
    with open_storage(proxy.url(postgres_url), patience_s=20) as worker:
        # Optuna's storage is opened at its first use, once a process.
        worker.optuna.get_all_studies()
        before = proxy.commits
        live(worker, "calm")
        n_commits = proxy.commits - before
        assert n_commits >= 8
        assert is_whole(storage, "calm")
        broken = [name for name in _each(n_commits, storage) if not _survives(name, storage, proxy, worker)]

    assert broken == []
    assert proxy.swallowed == n_commits


def _each(n_commits: int, storage: Storage) -> list[str]:
    names = [f"lost-{index}" for index in range(n_commits)]
    for name in names:
        insert_chaos_study(storage, name=name, trials=2, epochs=2)
    return names


def _survives(name: str, storage: Storage, proxy: FaultyProxy, worker: Storage) -> bool:
    proxy.swallow_commits(after=int(name.removeprefix("lost-")))
    live(worker, name)
    return is_whole(storage, name)


def test_a_claim_whose_answer_is_lost_holds_one_slot(
    storage: Storage, proxy: FaultyProxy, postgres_url: str, insert: Callable[..., object]
) -> None:
    insert(trials=3)
    with open_storage(proxy.url(postgres_url), patience_s=20) as worker:
        proxy.swallow_commits()
        lease = claim_slot(worker, owner="w")

    assert lease is not None
    rows = read_slots(storage, lease.study_id)
    assert [row.state for row in rows].count("leased") == 1
    assert next(row.token for row in rows if row.state == "leased") == lease.token
