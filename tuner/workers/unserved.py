"""Studies for which a worker cannot work, because their data cannot be read on its machine: it works for the others."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tuner.jobs.study_data import DataUnavailableError
from tuner.studies.lifecycle import Study

#: Seconds after which the data is looked for again.
RETRY_S = 60.0


@dataclass(frozen=True, kw_only=True)
class _Problem:
    study: str
    error: DataUnavailableError
    retry_at: float


@dataclass(kw_only=True)
class Unserved:
    """The studies, by their identity."""

    clock: Callable[[], float] = time.monotonic
    _problems: dict[str, _Problem] = field(default_factory=dict)

    def add(self, study: Study, error: DataUnavailableError) -> None:
        """Leave the study to other workers for a while."""
        self._problems[study.uid] = _Problem(study=study.name, error=error, retry_at=self.clock() + RETRY_S)

    def discard(self, study: Study) -> bool:
        """Work for the study again; return whether it had been left to others."""
        return self._problems.pop(study.uid, None) is not None

    def uids(self) -> list[str]:
        """Return the identities of the studies that are not to be tried now."""
        return [uid for uid, problem in self._problems.items() if self.clock() < problem.retry_at]

    def describe(self) -> str | None:
        """Return what `tuner status` says of it; None when nothing is wrong."""
        return "; ".join(f"study {problem.study}: {problem.error}" for problem in self._problems.values()) or None

    def raise_if_all(self, studies: Sequence[Study]) -> None:
        """Raise the first study's error when there are studies, and all of them are left to others.

        Raises:
            DataUnavailableError: As above.
        """
        if studies and all(study.uid in self._problems for study in studies):
            raise self._problems[studies[0].uid].error
