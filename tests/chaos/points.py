"""The named points at which a worker can be killed, made by wrapping the product's functions in this process."""

import functools
import os
import re
import signal
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

import tuner.artifacts
import tuner.jobs.search.trial
import tuner.training.checkpoint
import tuner.training.run
import tuner.workers.loop
import tuner.workers.reporter
from chaos.journal import Journal
from tuner.artifacts import ArtifactStore
from tuner.studies.database.retrying_storage import RetryingStorage
from tuner.studies.slots.leases import Lease, LeaseLostError
from tuner.workers.loop import MAX_ATTEMPTS
from tuner.workers.reporter import Reporter

_SLOT = re.compile(r"/checkpoints/slot-(?P<slot>\d+)")
_CHECKPOINT = re.compile(rf"{_SLOT.pattern}/(?P<token>\d+)-(odd|even)\.npz$")


class Doom:
    """Kills this process at the point that the harness names in a file, once it gets there."""

    def __init__(self, file: Path, journal: Journal, *, seed: int) -> None:
        self._file, self._journal = file, journal
        self._random = np.random.default_rng(seed)
        #: The slots that a death would hit, each with its number of attempts since its last new epoch.
        self._attempts: dict[int, int] = {}

    def take(self, lease: Lease) -> None:
        """Remember which slot a death would hit."""
        self._attempts = {lease.slot_id: lease.attempts}

    def take_too(self, lease: Lease) -> None:
        """Remember a further one."""
        self._attempts[lease.slot_id] = lease.attempts

    def spare(self, lease: Lease) -> None:
        """The slot has a new epoch: its attempts count anew."""
        self._attempts[lease.slot_id] = 0

    @property
    def is_fatal(self) -> bool:
        """Whether one more death would fail a trial, as is meant to be for one that kills its workers."""
        return max(self._attempts.values(), default=0) >= MAX_ATTEMPTS

    def may_strike(self, point: str) -> bool:
        """Say whether the harness wants this process to die here."""
        if self.is_fatal and point != "while-reaping":
            return False
        try:
            return self._file.read_text() == point
        except FileNotFoundError:
            return False

    def strike(self, point: str) -> None:
        """Die, if it is wanted."""
        if self.may_strike(point):
            self._journal.note("doomed", point=point)
            os.kill(os.getpid(), signal.SIGKILL)

    def strike_while_writing(self, file: int, point: str) -> None:
        """Die with only a part of the file written, if it is wanted."""
        if self.may_strike(point):
            os.ftruncate(file, int(self._random.integers(os.fstat(file).st_size + 1)))
            self.strike(point)


def wrap_product(journal: Journal, doom: Doom) -> None:
    """Let every function whose effect is to be checked write to the journal, and each named point kill."""
    _wrap_claims(journal, doom)
    _wrap_reaping(journal, doom)
    _wrap_training(journal, doom)
    _wrap_reports(journal, doom)
    _wrap_endings(journal, doom)


def _wrap_claims(journal: Journal, doom: Doom) -> None:
    def claim(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        lease = original(*args, **kwargs)
        if lease is not None:
            doom.take(lease)
            journal.note("claimed", slot=lease.slot_id, token=lease.token, is_last_attempt=doom.is_fatal)
            doom.strike("after-claim")
        return lease

    def claim_more(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        leases = original(*args, **kwargs)
        for lease in leases:
            doom.take_too(lease)
            journal.note("claimed", slot=lease.slot_id, token=lease.token, is_last_attempt=doom.is_fatal)
        if leases:
            doom.strike("after-claiming-several")
        return leases

    def run_several(original: Callable[..., Any], contexts: Any) -> Any:
        journal.note("together", slots=[context.lease.slot_id for context in contexts])
        return original(contexts)

    def register(original: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        original(*args, **kwargs)
        journal.note("registered")

    def open_trial(original: Callable[..., Any], storage: Any, study: Any, lease: Lease) -> Any:
        trial, scores = original(storage, study, lease)
        journal.note("opened", slot=lease.slot_id, token=lease.token, trial=trial.number)
        return trial, scores

    def set_param(original: Callable[..., Any], *args: Any) -> Any:
        original(*args)
        doom.strike("mid-draw")

    _wrap(tuner.workers.loop, "register_worker", register)
    _wrap(tuner.workers.loop, "claim_slot", claim)
    _wrap(tuner.jobs.search.trial, "open_trial", open_trial)
    _wrap(tuner.workers.loop, "claim_companions", claim_more)
    _wrap(tuner.workers.loop, "run_jobs", run_several)
    _wrap(tuner.jobs.search.trial, "open_trial", open_trial)
    _wrap(RetryingStorage, "set_trial_param", set_param)


def _wrap_reaping(journal: Journal, doom: Doom) -> None:
    reaping = threading.local()

    def strike_before_commit(_connection: Any) -> None:
        if getattr(reaping, "is_under_way", False):
            doom.strike("while-reaping")

    def reap(original: Callable[..., Any], storage: Any, **kwargs: Any) -> Any:
        reaping.is_under_way = True
        try:
            n_reaped = original(storage, **kwargs)
        finally:
            reaping.is_under_way = False
        if n_reaped:
            journal.note("reaped", n=n_reaped)
        return n_reaped

    sa.event.listen(sa.Engine, "commit", strike_before_commit)
    for module in (tuner.workers.loop, tuner.workers.reporter):
        _wrap(module, "reap_expired_leases", reap)


def _wrap_training(journal: Journal, doom: Doom) -> None:
    def resume(original: Callable[..., Any], run: Any) -> None:
        original(run)
        journal.note("resumed", **_place_of(run), epoch=run.resumed_from)

    def finish_epoch(
        original: Callable[..., Any], run: Any, epoch: int, logs: Any, duration_s: float, **kwargs: Any
    ) -> None:
        journal.note("trained", **_place_of(run), epoch=epoch, value=logs.get("val_accuracy"))
        original(run, epoch, logs, duration_s, **kwargs)

    def write(original: Callable[..., Any], store: ArtifactStore, path: str, content: bytes) -> None:
        original(store, path, content)
        if written := _CHECKPOINT.search(path):
            snapshot = tuner.training.checkpoint._decode(content)
            place = {name: int(number) for name, number in written.groupdict().items()}
            journal.note("stored", **place, epoch=len(snapshot.epochs))

    def sync(original: Callable[..., Any], file: int) -> None:
        if stat.S_ISREG(os.fstat(file).st_mode):
            doom.strike_while_writing(file, "mid-checkpoint")
        original(file)

    _wrap(tuner.training.run.TrainingRun, "resume", resume)
    _wrap(tuner.training.run.TrainingRun, "finish_epoch", finish_epoch)
    _wrap(ArtifactStore, "write", write)
    _wrap(os, "fsync", sync)


def _wrap_reports(journal: Journal, doom: Doom) -> None:
    def hand_over(original: Callable[..., Any], reporter: Reporter, result: Any) -> None:
        doom.strike("after-checkpoint")
        original(reporter, result)

    def renew(original: Callable[..., Any], storage: Any, lease: Lease, **kwargs: Any) -> None:
        _noting_refusal(journal, "renewal", lease, lambda: original(storage, lease, **kwargs))
        for epoch, value in (kwargs.get("scores") or {}).items():
            doom.strike("mid-report")
            doom.spare(lease)
            journal.note("reported", slot=lease.slot_id, token=lease.token, epoch=epoch, value=value)
        journal.note("renewed", slot=lease.slot_id, token=lease.token, epoch=kwargs["epoch"])

    _wrap(Reporter, "finish_epoch", hand_over)
    _wrap(tuner.workers.reporter, "renew_lease", renew)


def _wrap_endings(journal: Journal, doom: Doom) -> None:
    def end(original: Callable[..., Any], storage: Any, lease: Lease, outcome: Any) -> None:
        doom.strike("before-end")
        _noting_refusal(journal, "end", lease, lambda: original(storage, lease, outcome))
        journal.note(
            "ended", slot=lease.slot_id, token=lease.token, state=outcome.state,
            value=getattr(outcome, "score", None),
        )  # fmt: skip

    def tell(original: Callable[..., Any], *args: Any) -> Any:
        doom.strike("before-tell")
        n_told = original(*args)
        doom.strike("before-tidying")
        return n_told

    def release(original: Callable[..., Any], storage: Any, lease: Lease, **kwargs: Any) -> None:
        original(storage, lease, **kwargs)
        journal.note("released", slot=lease.slot_id, token=lease.token)

    for module in (tuner.workers.loop, tuner.jobs.search.trial):
        _wrap(module, "end_slot", end)
    _wrap(tuner.workers.loop, "close_ended_trials", tell)
    _wrap(tuner.workers.loop, "release_slot", release)


def _noting_refusal(journal: Journal, what: str, lease: Lease, call: Callable[[], None]) -> None:
    try:
        call()
    except LeaseLostError:
        journal.note("refused", what=what, slot=lease.slot_id, token=lease.token)
        raise


def _place_of(run: tuner.training.run.TrainingRun) -> dict[str, int]:
    """Return the slot of a training run and its lease's token, which name its checkpoint."""
    checkpoint = run._checkpoint
    assert checkpoint is not None
    slot = _SLOT.search(checkpoint._folder)
    assert slot is not None
    return {"slot": int(slot["slot"]), "token": checkpoint._writer}


def _wrap(owner: Any, name: str, replacement: Callable[..., Any]) -> None:
    original = getattr(owner, name)
    setattr(owner, name, functools.wraps(original)(lambda *args, **kwargs: replacement(original, *args, **kwargs)))
