"""The result of a preflight, stage by stage."""

from dataclasses import dataclass

from tuner.errors import TunerError


class PreflightError(TunerError):
    """A stage of the search or of the finals would have failed."""


@dataclass(frozen=True, kw_only=True)
class StageReport:
    """One stage that was tried."""

    #: Its name for people, such as `finals, retraining`.
    stage: str
    duration_s: float
    #: One line; None if the stage works.
    problem: str | None = None
    #: One line each.
    warnings: tuple[str, ...] = ()

    def refuse_problem(self) -> None:
        """Raise an error if the stage has a problem.

        Raises:
            PreflightError: The stage has a problem.
        """
        if self.problem is not None:
            raise PreflightError(f"{self.stage}: {self.problem}")
