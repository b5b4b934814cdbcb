"""A study's trials as a pandas DataFrame."""

from typing import TYPE_CHECKING

from tuner.errors import TunerError
from tuner.extras import install_command
from tuner.objectives import COSTS
from tuner.studies.records.study import StudyRecord

if TYPE_CHECKING:
    import pandas as pd


class PandasMissingError(TunerError):
    """pandas is not installed."""

    def __init__(self) -> None:
        super().__init__(
            f"trials_dataframe needs pandas: {install_command('pandas')}. Without it, study.trials has the same "
            "values, and `tuner study export` writes them as CSV."
        )


def trials_dataframe(record: StudyRecord) -> "pd.DataFrame":
    """Return a row for each trial, see `Study.trials_dataframe`.

    Raises:
        PandasMissingError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise PandasMissingError from error
    names = list(dict.fromkeys(name for trial in record.trials for name in trial.hyperparameters))
    others = [other.name for other in record.others if other.name not in COSTS]
    rows = [
        {
            "number": trial.number,
            "state": trial.state,
            "score": trial.score,
            "best_epoch": trial.best_epoch,
            "duration_s": trial.duration_s,
            "started_at": trial.started_at,
            "finished_at": trial.finished_at,
            "attempts": trial.attempts,
            "seed": trial.seed,
            **{name: trial.costs.get(name) for name in COSTS},
            **{f"score_{name}": trial.others.get(name) for name in others},
            **{f"params_{name}": trial.hyperparameters.get(name) for name in names},
            "failure": trial.failure.message if trial.failure else None,
        }
        for trial in record.trials
    ]
    return pd.DataFrame(rows)
