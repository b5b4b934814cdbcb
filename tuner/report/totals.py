"""What a whole study took, its finals included: epochs, and time by the database's clock."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tuner.studies.records.finals import ConfirmationRecord, RetrainRecord
from tuner.studies.records.study import StudyRecord
from tuner.studies.spans import covered_s


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Epochs and seconds of a study; what runs or was not recorded is not in the seconds."""

    search_epochs: int
    confirmation_epochs: int
    retraining_epochs: int
    #: Seconds in which at least one worker trained for the search, and for the finals.
    search_s: float
    finals_s: float
    #: Seconds of all workers together; None where the finals' times are unknown.
    workers_s: float | None
    #: When the last trial or job ended.
    finished_at: datetime | None

    @property
    def epochs(self) -> int:
        return self.search_epochs + self.confirmation_epochs + self.retraining_epochs

    @property
    def whole_s(self) -> float:
        return self.search_s + self.finals_s


def count_totals(study: StudyRecord) -> Totals:
    """Add up what the study's trials, confirmations and retrainings took."""
    jobs: list[ConfirmationRecord | RetrainRecord] = [*study.confirmations, *study.retrained]
    of_search = _spans((trial.started_at, trial.finished_at) for trial in study.trials)
    of_finals = _spans((job.started_at, job.finished_at) for job in jobs)
    is_timed = bool(of_finals) or not jobs
    return Totals(
        search_epochs=sum(trial.n_epochs for trial in study.trials),
        confirmation_epochs=sum(one.n_epochs for one in study.confirmations),
        retraining_epochs=sum(len(run.curve) for run in study.retrained),
        search_s=covered_s(of_search),
        finals_s=covered_s(of_finals),
        workers_s=sum(end - start for start, end in (*of_search, *of_finals)) if is_timed else None,
        finished_at=max((one.finished_at for one in (*study.trials, *jobs) if one.finished_at), default=None),
    )


def _spans(times: Iterable[tuple[datetime | None, datetime | None]]) -> list[tuple[float, float]]:
    """Return begin and end, in seconds, of what has both."""
    return [(start.timestamp(), end.timestamp()) for start, end in times if start is not None and end is not None]
