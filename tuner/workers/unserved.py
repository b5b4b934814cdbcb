"""Studies that a worker leaves to other workers, because it cannot read their data on its machine."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tuner.jobs.study.data import DataUnavailableError
from tuner.studies.lifecycle import Study

#: Seconds after which the worker tries to read the data again.
RETRY_S = 60.0


@dataclass(frozen=True, kw_only=True)
class _Problem:
    study: str
    error: DataUnavailableError
    retry_at: float


@dataclass(kw_only=True)
class Unserved:
    """The studies that a worker leaves to others, by their identity."""

    clock: Callable[[], float] = time.monotonic
    _problems: dict[str, _Problem] = field(default_factory=dict)

    def add(self, study: Study, error: DataUnavailableError) -> None:
        """Leave the study to other workers for a while."""
        self._problems[study.uid] = _Problem(study=study.name, error=error, retry_at=self.clock() + RETRY_S)

    def discard(self, study: Study) -> bool:
        """Serve the study again; return whether it had been left to others."""
        return self._problems.pop(study.uid, None) is not None

    def uids(self) -> list[str]:
        """Return the identities of the studies whose slots the worker should not claim now."""
        return [uid for uid, problem in self._problems.items() if self.clock() < problem.retry_at]

    def describe(self) -> str | None:
        """Return the text for `tuner status`; None if there is no such study."""
        return "; ".join(f"study {problem.study}: {problem.error}" for problem in self._problems.values()) or None

    def raise_if_all(self, studies: Sequence[Study]) -> None:
        """Raise the first study's error if there are studies and all of them are left to others.

        Raises:
            DataUnavailableError: All are left to others.
        """
        if studies and all(study.uid in self._problems for study in studies):
            raise self._problems[studies[0].uid].error
