"""The state of a training run after an epoch, in one file, written whole and checked when read.

A file is one line (`tuner-checkpoint 1`, a space, the SHA-256 of the rest) and an `.npz` without pickle: `model_000000`
and on, `optimizer_000000` and on are the variables in Keras' order, seeds of dropout among them; `kept_000000` and on
are weights that callbacks hold, `best_000000` and on those of the best epoch; `record` is JSON.
"""

import hashlib
import io
import itertools
import json
import logging
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from tuner.artifacts import ArtifactNotFoundError, ArtifactNotWrittenError, ArtifactStore, ArtifactStoreAwayError
from tuner.epochs import Epoch
from tuner.plain_values import Hyperparameters
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.variables import read_variable, renew_constants, state_variables

MAGIC = b"tuner-checkpoint 1 "

_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, NotImplementedError)

_log = logging.getLogger(__name__)


class DamagedCheckpointError(Exception):
    """The file is not what was written; `Checkpoint.read` then takes the one before it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot:
    """What a new process needs to go on."""

    #: Of the plan, the data's size and the model's shape, see `fingerprint`.
    fingerprint: str
    epochs: tuple[Epoch, ...]
    #: Keras' logs of each of them.
    logs: tuple[dict[str, float], ...]
    annealing_state: Mapping[str, float]
    #: The values of `model.variables` and `optimizer.variables`.
    model: tuple[NDArray[Any], ...]
    optimizer: tuple[NDArray[Any], ...]
    #: Weights that callbacks hold.
    kept: tuple[NDArray[Any], ...] = ()
    #: Those of the best epoch, see `rules.EarlyStopping`.
    best: tuple[NDArray[Any], ...] = ()
    #: Why no run can go on from it, which then holds no values; None where one can.
    obstacle: str | None = None


class Checkpoint:
    """The last two snapshots of one run, in a folder of the artifact store.

    A thread writes them while training goes on. Epochs alternate between two names, so that writing one never touches
    the newest before it. Each writer has its own two names, so that a writer that has lost the run without knowing it
    cannot damage its successor's.

    Args:
        store: Where the folder is.
        folder: The run's own.
        writer: Tells the run's writers apart; higher for later ones.
        run: What tells this run from every other, wherever its folder is; JSON values.
    """

    def __init__(self, store: ArtifactStore, folder: str, *, writer: int = 0, run: Sequence[Any] = ()) -> None:
        self._store, self._folder, self._writer = store, folder, writer
        self._run: tuple[Any, ...] = tuple(run)
        self._is_narrowed = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None

    def narrow(self, values: Hyperparameters) -> None:
        """Accept snapshots of these hyperparameters alone; call it before the first one is read or written.

        Later calls change nothing: a run that begins again stays the same run, whatever its `fit` has asked for since.
        """
        if not self._is_narrowed:
            self._run = (*self._run, sorted(values.items()))
            self._is_narrowed = True

    def write(self, snapshot: Snapshot) -> None:
        """Start storing the snapshot, once the previous one is stored; it replaces the one before that.

        Raises:
            ArtifactNotWrittenError: The one before could not be stored: the disk is full, or the store refused it.
        """
        self.flush()
        name = f"{self._folder}/{self._writer}-{'odd' if len(snapshot.epochs) % 2 else 'even'}.npz"
        marked = replace(snapshot, fingerprint=self._mark(snapshot.fingerprint))
        self._writing = self._thread.submit(lambda: self._store.write(name, _encode(marked)))

    def flush(self) -> None:
        """Wait until the snapshot that `write` was given last is stored.

        Raises:
            ArtifactNotWrittenError: It could not be.
        """
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def read(self, fingerprint: str) -> Snapshot | None:
        """Return the newest whole snapshot of this run, or None to begin at the first epoch.

        Files that are damaged, that cannot be read, or that belong to another run (another fingerprint) are logged and
        skipped.

        Raises:
            ArtifactStoreAwayError: The whole store cannot be read, not this run's files alone.
        """
        names = self._list()
        snapshots = [snapshot for name in names if (snapshot := self._read_one(name, fingerprint))]
        return max(snapshots, key=lambda snapshot: len(snapshot.epochs), default=None)

    def delete(self) -> None:
        """Remove the run's files, those of all writers; may be repeated."""
        self._store.delete(self._folder)

    def _list(self) -> list[str]:
        try:
            return self._store.list(self._folder)
        except OSError as error:
            self._store.refuse_if_away(error)
            _log.warning("Passed over the checkpoints in %s: %s.", self._store.location(self._folder), error.strerror)
            return []

    def _mark(self, fingerprint: str) -> str:
        """Return the fingerprint that only this run's snapshots have."""
        if not self._run:
            return fingerprint
        return hashlib.sha256(json.dumps([fingerprint, *self._run]).encode()).hexdigest()

    def _read_one(self, name: str, fingerprint: str) -> Snapshot | None:
        try:
            snapshot = _decode(self._store.read(name))
        except ArtifactNotFoundError:
            return None
        except DamagedCheckpointError as error:
            _log.warning("Passed over the damaged checkpoint %s: %s.", self._store.location(name), error)
            return None
        except OSError as error:
            self._store.refuse_if_away(error)
            reason = error.strerror or type(error).__name__
            _log.warning("Passed over the checkpoint %s, which cannot be read: %s.", self._store.location(name), reason)
            return None
        if snapshot.fingerprint != self._mark(fingerprint):
            _log.warning("Passed over the checkpoint %s: it is of another run.", self._store.location(name))
            return None
        return snapshot


@contextmanager
def stored_however_it_ends(checkpoints: Iterable[Checkpoint | None]) -> Iterator[None]:
    """Store the last snapshots of runs when the block ends.

    Raises:
        ArtifactNotWrittenError: One could not be stored, and nothing else ended the block.
    """
    found = [checkpoint for checkpoint in checkpoints if checkpoint is not None]
    try:
        yield
    except BaseException:
        for checkpoint in found:
            # What ended the run says more than that its last snapshot could not be stored.
            with suppress(ArtifactNotWrittenError, ArtifactStoreAwayError):
                checkpoint.flush()
        raise
    for checkpoint in found:
        checkpoint.flush()


def fingerprint(model: keras.Model, data: TrainingData, plan: TrainingPlan) -> str:
    """Return a hash, equal only for runs whose checkpoints fit each other."""
    shapes = [(tuple(variable.shape), str(variable.dtype)) for variable in itertools.chain(*state_variables(model))]
    sizes = (len(data.train), len(data.validation or ()), data.train.image_format.shape)
    described = json.dumps([asdict(plan), shapes, sizes], default=lambda settings: settings.model_dump())
    return hashlib.sha256(described.encode()).hexdigest()


def take_snapshot(
    model: keras.Model,
    *,
    fingerprint: str,
    epochs: tuple[Epoch, ...],
    logs: tuple[dict[str, float], ...],
    annealing_state: Mapping[str, float],
    kept: tuple[NDArray[Any], ...] = (),
    best: tuple[NDArray[Any], ...] = (),
) -> Snapshot:
    """Copy the state of the model; the other arguments are stored as they are."""
    variables, optimizer_variables = state_variables(model)
    return Snapshot(
        fingerprint=fingerprint,
        epochs=epochs,
        logs=logs,
        annealing_state=annealing_state,
        model=tuple(map(_read, variables)),
        optimizer=tuple(map(_read, optimizer_variables)),
        kept=tuple(map(_storable, kept)),
        best=tuple(map(_storable, best)),
    )


def fits(model: keras.Model, snapshot: Snapshot) -> bool:
    """Say whether the snapshot has the variables of this model and its optimizer, in number and shapes."""
    own = [tuple(variable.shape) for variable in itertools.chain(*state_variables(model))]
    return own == [value.shape for value in snapshot.model + snapshot.optimizer]


def restore_model(model: keras.Model, snapshot: Snapshot) -> None:
    """Put the state back into a built model with a built optimizer, of the same fingerprint."""
    variables, optimizer_variables = state_variables(model)
    for variable, value in zip(variables + optimizer_variables, snapshot.model + snapshot.optimizer, strict=True):
        variable.assign(value)
    renew_constants(model)


def _read(variable: Any) -> NDArray[Any]:
    return _storable(read_variable(variable))


def _storable(array: NDArray[Any]) -> NDArray[Any]:
    # bfloat16 is no NumPy type and would come back as raw bytes; float32 holds each of its values.
    return array.astype(np.float32) if array.dtype.kind == "V" else array


def _encode(snapshot: Snapshot) -> bytes:
    record = {
        "fingerprint": snapshot.fingerprint,
        "epochs": [asdict(result) for result in snapshot.epochs],
        "logs": snapshot.logs,
        "annealing_state": dict(snapshot.annealing_state),
        "obstacle": snapshot.obstacle or "",
    }
    parts = {"model": snapshot.model, "optimizer": snapshot.optimizer, "kept": snapshot.kept, "best": snapshot.best}
    arrays = {key: array for prefix, part in parts.items() for key, array in _numbered(prefix, part).items()}
    buffer = io.BytesIO()
    np.savez(buffer, record=np.frombuffer(json.dumps(record).encode(), np.uint8), **arrays)  # type: ignore[arg-type] # no array is named allow_pickle
    content = buffer.getvalue()
    return MAGIC + hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def _decode(stored: bytes) -> Snapshot:
    header, _, content = stored.partition(b"\n")
    if header != MAGIC + hashlib.sha256(content).hexdigest().encode():
        raise DamagedCheckpointError("its SHA-256 does not match its content")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            record = json.loads(arrays["record"].tobytes())
            return Snapshot(
                fingerprint=record["fingerprint"],
                epochs=tuple(Epoch(**epoch) for epoch in record["epochs"]),
                logs=tuple(record["logs"]),
                annealing_state=record["annealing_state"],
                model=_take(arrays, "model"),
                optimizer=_take(arrays, "optimizer"),
                kept=_take(arrays, "kept"),
                best=_take(arrays, "best"),
                obstacle=record.get("obstacle") or None,
            )
    # A header of an array is a literal of Python's, hence the SyntaxError.
    except (LookupError, TypeError, ValueError, EOFError, OSError, RuntimeError, SyntaxError, *_ZIP_ERRORS) as error:
        raise DamagedCheckpointError("it has the layout of another version") from error


def _take(arrays: Mapping[str, NDArray[Any]], prefix: str) -> tuple[NDArray[Any], ...]:
    return tuple(arrays[name] for name in sorted(arrays) if name.startswith(f"{prefix}_"))


def _numbered(prefix: str, arrays: Iterable[NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {f"{prefix}_{index:06d}": array for index, array in enumerate(arrays)}
