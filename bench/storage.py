"""What the database costs: claims, suggestions and epochs, as studies grow and workers join; on a Postgres of its own.

    PYTHONPATH=tests python bench/storage.py [--quick]

Prints tables and writes `bench/results/storage.json`. Nothing is trained: trials only draw, report and end, beside the
loop that people write with Optuna alone (ask, suggest, report, should_prune, tell on RDBStorage) on the same server.
`--quick` takes small numbers, to see that it runs.
"""

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import psutil
import sqlalchemy as sa
from machine import RESULTS, describe_machine
from optuna.storages._rdb import models
from optuna.trial import TrialState
from support.postgres import running_server

from tuner.epochs import Epoch
from tuner.jobs.study.data import DataPlaces
from tuner.studies.database.schema import database_time, slots, studies
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.definitions.making import make_definition
from tuner.studies.lifecycle import Study, find_study, insert_study
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import Lease, end_slot, release_slot
from tuner.studies.slots.outcomes import Result, SearchOutcome
from tuner.studies.slots.stored_outcomes import to_json
from tuner.studies.slots.turns import select_turns
from tuner.studies.trials import PrunedError, close_ended_trials, open_trial
from tuner.workers.reporter import Reporter

_MEASUREMENTS = ("growth", "shared", "clients", "idle")
EPOCHS = 9
#: Hyperparameters of a trial: log floats, like a learning rate's.
PARAMETERS = [f"x{position}" for position in range(5)]
DISTRIBUTION = optuna.distributions.FloatDistribution(1e-4, 1.0, log=True)


def main() -> None:
    """Measure one after another and print as it goes; what is not asked for keeps its earlier figures."""
    arguments = parse_arguments()
    sizes, clients, trials = ([20, 200], [1, 2], 8) if arguments.quick else ([100, 1_000, 10_000], [1, 8, 32, 64], 256)
    path = RESULTS / "storage.json"
    result: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    # More connections than by default, for Optuna's own loop keeps several a client.
    with running_server(max_connections=400) as server:
        if "growth" in arguments.only:
            result["growth"] = [measure_growth(server.url(server.create_database()), size) for size in sizes]
        if "shared" in arguments.only:
            result["shared"] = measure_shared(
                server.url(server.create_database()),
                n_studies=4 if arguments.quick else 20,
                n_trials=100 if arguments.quick else 10_000,
                claims=100 if arguments.quick else 500,
                server_pid=server.pid,
            )
        if "clients" in arguments.only:
            result["clients"] = [
                measure_clients(server.url(server.create_database()), side, n, trials)
                for n in clients
                for side in ("tuner", "optuna")
            ]
        if "idle" in arguments.only:
            result["idle"] = measure_idle(server.url(server.create_database()), seconds=10 if arguments.quick else 60)
    if arguments.quick:
        return
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps({**result, "machine": describe_machine(), "epochs": EPOCHS}, indent=2) + "\n")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="What the database costs.")
    parser.add_argument("--only", nargs="+", choices=_MEASUREMENTS, default=list(_MEASUREMENTS))
    parser.add_argument("--quick", action="store_true", help="small numbers, to see that it runs")
    return parser.parse_args()


def measure_growth(url: str, n_finished: int) -> dict[str, Any]:
    """Time claims and warm suggestions in a study of so many finished trials."""
    with open_storage(url) as storage:
        study = make_study(storage, trials=n_finished + 50)
        fill(storage, study, n_finished)
        claims = [timed_claim(storage) for _ in range(300)]
        lease = claim(storage)
        trial, _ = open_trial(storage, study, lease)
        suggestions = [timed(lambda name=name: trial.suggest_float(name, 1e-4, 1, log=True)) for name in PARAMETERS]
        release_slot(storage, lease)
        warm = []
        for _ in range(3):
            lease = claim(storage)
            trial, _ = open_trial(storage, study, lease)
            warm.append(timed(lambda trial=trial: draw(trial)))
            end_slot(storage, lease, outcome_of("complete"))
            close_ended_trials(storage)
    row = {
        "n_finished": n_finished,
        "claim_p50_ms": 1e3 * statistics.median(claims),
        "claim_p95_ms": 1e3 * float(np.percentile(claims, 95)),
        "first_draw_s": sum(suggestions),
        "warm_draw_s": statistics.median(warm),
    }
    print(
        f"{n_finished:6} finished trials: claim p50 {row['claim_p50_ms']:.1f} ms, p95 {row['claim_p95_ms']:.1f} ms; "
        f"a trial's {len(PARAMETERS)} tpe values {row['first_draw_s']:.2f} s cold, {row['warm_draw_s']:.2f} s warm",
        flush=True,
    )
    return row


def measure_shared(url: str, *, n_studies: int, n_trials: int, claims: int, server_pid: int | None) -> dict[str, Any]:
    """Time claims among many large studies that share the workers, beside those that take the oldest slot of all.

    Half of each study's trials are finished; 40 slots are leased, as by 40 workers. CPU seconds are those of this
    process and of the server together, of a claim and its release.
    """
    with open_storage(url) as storage:
        for number in range(n_studies):
            definition = make_definition(
                space="mlp", dataset="digits", name=f"study-{number}", trials=n_trials,
                overrides=[f"sharing.weight={1 + number % 3}", *(["sharing.max_workers=8"] if number % 4 == 0 else [])],
            )  # fmt: skip
            insert_study(storage, definition, class_names=["0", "1"], provenance={})
        with storage.engine.begin() as connection:
            finished = {"state": "done", "result": "complete", "score": 0.5}
            connection.execute(sa.update(slots).where(slots.c.position < n_trials // 2).values(finished))
        for _ in range(40):
            claim(storage)
        # In turns, so that both sides see the same server.
        taken: dict[str, list[float]] = {"in_turn": [], "oldest": []}
        cpu_s = dict.fromkeys(taken, 0.0)
        for _ in range(claims):
            before = cpu_of(server_pid)
            taken["in_turn"].append(timed_claim(storage))
            between = cpu_of(server_pid)
            taken["oldest"].append(timed(lambda: claim_oldest(storage)))
            cpu_s["in_turn"] += between - before
            cpu_s["oldest"] += cpu_of(server_pid) - between
        plan = explain_turns(storage)
    row: dict[str, Any] = {"n_studies": n_studies, "n_trials": n_trials, "plan": plan}
    for side, seconds in taken.items():
        row[f"{side}_p50_ms"] = 1e3 * statistics.median(seconds)
        row[f"{side}_p95_ms"] = 1e3 * float(np.percentile(seconds, 95))
        row[f"{side}_cpu_ms"] = 1e3 * cpu_s[side] / claims
        print(
            f"{n_studies} studies of {n_trials} trials, claims {side.replace('_', ' ')}: "
            f"p50 {row[f'{side}_p50_ms']:.1f} ms, p95 {row[f'{side}_p95_ms']:.1f} ms, "
            f"CPU {row[f'{side}_cpu_ms']:.1f} ms",
            flush=True,
        )
    print("\n".join(plan), flush=True)
    return row


def cpu_of(server_pid: int | None) -> float:
    """Return the CPU seconds that this process, the server and its processes have used so far."""
    processes = [psutil.Process()]
    if server_pid is not None:
        server = psutil.Process(server_pid)
        processes += [server, *server.children(recursive=True)]
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes))


def claim_oldest(storage: Storage) -> None:
    """Lock the oldest waiting slot of all studies, lease it and read its study, as claims did before studies shared."""
    running = sa.select(studies.c.id).where(studies.c.state.in_(["searching", "finals"]))
    oldest = (
        sa.select(slots)
        .where(slots.c.state == "waiting", slots.c.study_id.in_(running))
        .order_by(slots.c.study_id, slots.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    leased = {"state": "leased", "owner": "bench", "expires_at": database_time() + 30}
    with storage.engine.begin() as connection:
        row = connection.execute(oldest).one()
        connection.execute(sa.update(slots).where(slots.c.id == row.id).values(leased))
        connection.execute(sa.select(studies.c.name, studies.c.uid).where(studies.c.id == row.study_id)).one()
    with storage.engine.begin() as connection:
        connection.execute(sa.update(slots).where(slots.c.id == row.id).values(state="waiting", owner=None))


def explain_turns(storage: Storage) -> list[str]:
    """Return Postgres' plan of the statement that finds whose turn it is, with its times."""
    statement = select_turns(sa.true()).compile(storage.engine, compile_kwargs={"literal_binds": True})
    with storage.reader.connect() as connection:
        return [str(line) for line in connection.execute(sa.text(f"EXPLAIN (ANALYZE, BUFFERS) {statement}")).scalars()]


def measure_clients(url: str, side: str, n_clients: int, n_trials: int) -> dict[str, Any]:
    """Run trials without training by so many processes at once."""
    with open_storage(url) as storage:
        if side == "tuner":
            make_study(storage, trials=n_trials)
        else:
            optuna.create_study(study_name="bench", storage=url, direction="maximize")
    # Forked from a process that has imported this module: starting 64 afresh takes a minute.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["storage"])
    barrier, answers = context.Barrier(n_clients + 1), context.Queue()
    work = {"tuner": run_ours, "optuna": run_optunas}[side]
    share = [n_trials // n_clients] * n_clients
    processes = [context.Process(target=run_client, args=(work, url, n, barrier, answers)) for n in share]
    for process in processes:
        process.start()
    barrier.wait()
    started = time.perf_counter()
    counts = [answers.get() for _ in processes]
    seconds = time.perf_counter() - started
    for process in processes:
        process.join()
    n_epochs, n_statements = sum(count["epochs"] for count in counts), sum(count["statements"] for count in counts)
    n_of_epochs = sum(count["epoch_statements"] for count in counts)
    row = {
        "side": side,
        "clients": n_clients,
        "trials_per_s": sum(share) / seconds,
        "statements_per_trial": n_statements / sum(share),
        "statements_per_epoch": n_of_epochs / n_epochs,
    }
    print(
        f"{n_clients:3} clients, {side:6}: {row['trials_per_s']:6.1f} trials/s; statements: "
        f"{row['statements_per_epoch']:.2f} an epoch, {row['statements_per_trial']:.0f} a trial in all",
        flush=True,
    )
    return row


def run_client(work: Callable[..., Any], url: str, n_trials: int, barrier: Any, answers: Any) -> None:
    """Run a client's share of trials once all are ready; the target of its process."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    work(url, n_trials, barrier, answers)


def run_ours(url: str, n_trials: int, barrier: Any, answers: Any) -> None:
    """Claim, draw, report and end trials as a worker does."""
    n_epochs = n_of_epochs = 0
    with open_storage(url, patience_s=60) as storage, counted(storage.engine) as statements:
        barrier.wait()
        statements.clear()
        with Reporter(storage, "bench", lease_s=30) as reporter:
            for _ in range(n_trials):
                lease = claim(storage)
                study = find_study(storage, lease.study_name)
                trial, scores = open_trial(storage, study, lease)
                draw(trial)
                reporter.hold(lease)
                reporter.pass_scores_to(scores)
                before, state = len(statements), "complete"
                try:
                    for epoch in range(1, EPOCHS + 1):
                        n_epochs += 1
                        reporter.finish_epoch(epoch_result(epoch, accuracy(trial.params["x0"], epoch)))
                except PrunedError:
                    state = "pruned"
                reporter.flush()
                reporter.let_go()
                n_of_epochs += len(statements) - before
                end_slot(storage, lease, outcome_of(state))
                close_ended_trials(storage)
        answers.put({"epochs": n_epochs, "epoch_statements": n_of_epochs, "statements": len(statements)})


def run_optunas(url: str, n_trials: int, barrier: Any, answers: Any) -> None:
    """Do the same by Optuna's own loop, with the pruner that ours stands for."""
    rdb = optuna.storages.RDBStorage(url)
    study = optuna.load_study(
        study_name="bench",
        storage=rdb,
        sampler=optuna.samplers.TPESampler(),
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
    )
    n_epochs = n_of_epochs = 0
    with counted(rdb.engine) as statements:
        barrier.wait()
        statements.clear()
        for _ in range(n_trials):
            trial = study.ask()
            draw(trial)
            before, state = len(statements), TrialState.COMPLETE
            for epoch in range(1, EPOCHS + 1):
                n_epochs += 1
                value = accuracy(trial.params["x0"], epoch)
                trial.report(value, epoch)
                if epoch < EPOCHS and trial.should_prune():
                    state = TrialState.PRUNED
                    break
            n_of_epochs += len(statements) - before
            study.tell(trial, value if state == TrialState.COMPLETE else None, state)
        answers.put({"epochs": n_epochs, "epoch_statements": n_of_epochs, "statements": len(statements)})


def measure_idle(url: str, *, seconds: float) -> dict[str, float]:
    """Run a worker that has nothing to do, and return its share of a core and its statements a second."""
    with open_storage(url):
        pass
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=wait_for_work, args=(url, seconds, answers))
    process.start()
    row: dict[str, float] = answers.get()
    process.terminate()
    print(f"idle worker: {row['core']:.2%} of a core, {row['statements_per_s']:.2f} statements a second", flush=True)
    return row


def wait_for_work(url: str, seconds: float, answers: Any) -> None:
    """Be an idle worker; the target of its process."""
    import threading

    from tuner.artifacts import ArtifactStore
    from tuner.workers.loop import Worker, WorkerSettings

    with open_storage(url, patience_s=60) as storage, counted(storage.engine) as statements:
        settings = WorkerSettings(
            worker_id="idle",
            studies=[],
            device="cpu",
            places=DataPlaces(data_dir=Path(), cache_dir=Path()),
            artifacts=ArtifactStore("/tmp"),  # noqa: S108 - nothing is written
            until_done=False,
            lease_s=30,
        )
        threading.Thread(target=Worker(storage, settings).run, daemon=True).start()
        # The first looks follow each other quickly.
        time.sleep(12)
        statements.clear()
        used = psutil.Process().cpu_times()
        time.sleep(seconds)
        now = psutil.Process().cpu_times()
        cpu_s = now.user + now.system - used.user - used.system
        answers.put({"core": cpu_s / seconds, "statements_per_s": len(statements) / seconds})


def make_study(storage: Storage, *, trials: int) -> Study:
    """Insert a study with tpe and asha."""
    definition = make_definition(space="mlp", dataset="digits", name="bench", trials=trials, epochs=EPOCHS)
    return insert_study(storage, definition, class_names=["0", "1"], provenance={})


def fill(storage: Storage, study: Study, n_finished: int) -> None:
    """Make the first slots of a study finished trials, in bulk."""
    rng = np.random.default_rng(0)
    trials = [
        {
            "trial_id": number + 1,
            "number": number,
            "study_id": study.optuna_study_id,
            "state": TrialState.COMPLETE,
            "datetime_start": None,
            "datetime_complete": None,
        }
        for number in range(n_finished)
    ]
    drawn = rng.uniform(1e-4, 1, (n_finished, len(PARAMETERS)))
    rows: dict[Any, list[dict[str, Any]]] = {
        models.TrialModel: trials,
        models.TrialUserAttributeModel: [
            {"trial_id": number + 1, "key": "slot", "value_json": str(number)} for number in range(n_finished)
        ],
        models.TrialParamModel: [
            {
                "trial_id": number + 1,
                "param_name": name,
                "param_value": float(drawn[number, position]),
                "distribution_json": optuna.distributions.distribution_to_json(DISTRIBUTION),
            }
            for number in range(n_finished)
            for position, name in enumerate(PARAMETERS)
        ],
        models.TrialValueModel: [
            {
                "trial_id": number + 1,
                "objective": 0,
                "value": accuracy(drawn[number, 0], EPOCHS),
                "value_type": models.TrialValueModel.TrialValueType.FINITE,
            }
            for number in range(n_finished)
        ],
        models.TrialIntermediateValueModel: [
            {
                "trial_id": number + 1,
                "step": epoch,
                "intermediate_value": accuracy(drawn[number, 0], epoch),
                "intermediate_value_type": models.TrialIntermediateValueModel.TrialIntermediateValueType.FINITE,
            }
            for number in range(n_finished)
            for epoch in range(1, EPOCHS + 1)
        ],
    }
    with storage.engine.begin() as connection:
        for model, values in rows.items():
            connection.execute(sa.insert(model), values)
        connection.execute(sa.text("SELECT setval('trials_trial_id_seq', :last)"), {"last": n_finished})
        connection.execute(
            sa.update(slots)
            .where(slots.c.study_id == study.id, slots.c.position < n_finished)
            .values(state="done", trial_id=slots.c.position + 1, trial_number=slots.c.position)
            .values(outcome=to_json(outcome_of("complete")), result="complete", score=0.5, curve=[])
        )


def draw(trial: optuna.Trial) -> None:
    """Draw all values of a trial."""
    for name in PARAMETERS:
        trial.suggest_float(name, 1e-4, 1, log=True)


def accuracy(x: float, epoch: int) -> float:
    """Return a curve that rises with the epochs and is best where x is 0.01."""
    return float(1 - 0.05 * abs(np.log10(x) + 2) - 0.3 / epoch)


def epoch_result(epoch: int, value: float) -> Epoch:
    """Return what training would say of an epoch."""
    return Epoch(
        epoch=epoch, loss=1 - value, accuracy=value, val_loss=1 - value, val_accuracy=value,
        learning_rate=1e-3, duration_s=0.0,
    )  # fmt: skip


def outcome_of(state: Result) -> SearchOutcome:
    """Return a small outcome for a slot."""
    return SearchOutcome(state=state, score=0.5, best_epoch=1)


def claim(storage: Storage) -> Lease:
    """Claim a slot where there must be one."""
    lease = claim_slot(storage, owner="bench")
    if lease is None:
        raise RuntimeError("no slot waits")
    return lease


def timed_claim(storage: Storage) -> float:
    """Claim a slot and give it back; return the seconds of the claim alone."""
    started = time.perf_counter()
    lease = claim(storage)
    seconds = time.perf_counter() - started
    release_slot(storage, lease)
    return seconds


def timed(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


@contextmanager
def counted(engine: sa.Engine) -> Iterator[list[str]]:
    """Collect the statements that this engine runs."""
    statements: list[str] = []

    def note(_connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    sa.event.listen(engine, "before_cursor_execute", note)
    yield statements
    sa.event.remove(engine, "before_cursor_execute", note)


if __name__ == "__main__":
    main()
