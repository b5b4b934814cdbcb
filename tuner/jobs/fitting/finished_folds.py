"""The folds that a job has finished, kept beside its checkpoints: a worker that goes on trains none of them again.

A file is one line, the SHA-256 of the rest, and JSON. Like a checkpoint, each writer has a file of its own, written
whole.
"""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tuner.artifacts import ArtifactNotFoundError, ArtifactStore
from tuner.epochs import Epoch
from tuner.plain_values import Hyperparameters

_log = logging.getLogger(__name__)

#: Beginning of each file's name, which no checkpoint has.
_NAME = "folds"


@dataclass(frozen=True, kw_only=True)
class FinishedFolds:
    """The epochs of each finished fold, in their order, and what was said and asked while they were trained."""

    curves: tuple[tuple[Epoch, ...], ...] = ()
    #: Hyperparameters by name; the space's own `fit` may have asked for more than `build` does.
    values: Hyperparameters
    notes: tuple[str, ...] = ()


class FinishedFoldsStore:
    """The finished folds of one job, in a folder of the artifact store.

    Args:
        store: Where the folder is.
        folder: The job's own.
        writer: Tells the job's writers apart.
        run: What tells this job from every other, wherever its folder is; JSON values.
    """

    def __init__(self, store: ArtifactStore, folder: str, *, writer: int, run: Sequence[Any]) -> None:
        self._store, self._folder, self._writer = store, folder, writer
        self._run = json.dumps(list(run))

    def write(self, finished: FinishedFolds) -> None:
        """Store them in place of what this writer has stored.

        Raises:
            ArtifactNotWrittenError: The disk is full, or the store refused it.
        """
        content = json.dumps({"run": self._run, **asdict(finished)}).encode()
        self._store.write(f"{self._folder}/{_NAME}-{self._writer}.json", _hash(content) + b"\n" + content)

    def read(self) -> FinishedFolds | None:
        """Return the most folds that a writer has finished; None where there are none of this job.

        Raises:
            ArtifactStoreAwayError: The whole store cannot be read.
        """
        try:
            names = [name for name in self._store.list(self._folder) if name.startswith(f"{self._folder}/{_NAME}-")]
        except OSError as error:
            self._store.refuse_if_away(error)
            _log.warning("Passed over the finished folds in %s: %s.", self._store.location(self._folder), error)
            return None
        found = [finished for name in names if (finished := self._read_one(name))]
        return max(found, key=lambda finished: len(finished.curves), default=None)

    def _read_one(self, name: str) -> FinishedFolds | None:
        where = self._store.location(name)
        try:
            header, _, content = self._store.read(name).partition(b"\n")
        except ArtifactNotFoundError:
            return None
        except OSError as error:
            self._store.refuse_if_away(error)
            _log.warning("Passed over the finished folds in %s, which cannot be read: %s.", where, error)
            return None
        if header != _hash(content):
            _log.warning("Passed over the damaged file of finished folds %s.", where)
            return None
        stored = json.loads(content)
        if stored["run"] != self._run:
            _log.warning("Passed over the finished folds in %s: they are of another run.", where)
            return None
        return FinishedFolds(
            curves=tuple(tuple(Epoch(**epoch) for epoch in curve) for curve in stored["curves"]),
            values=stored["values"],
            notes=tuple(stored["notes"]),
        )


def _hash(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
