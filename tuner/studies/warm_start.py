"""What an earlier study in the same database has to start from."""

from collections.abc import Sequence

from optuna.trial import TrialState

from tuner.errors import TunerError
from tuner.plain_values import Hyperparameters
from tuner.studies.database.storage import Storage
from tuner.studies.fronts import order_by_fronts, point_of
from tuner.studies.lifecycle import find_study
from tuner.studies.sections.search import SearchSection


class OtherObjectivesError(TunerError):
    """A search cannot start from a study that looked for something else."""

    def __init__(self, name: str, before: Sequence[str], now: Sequence[str]) -> None:
        super().__init__(
            f"search.warm_start: study {name!r} has the objectives {', '.join(before)}, and this one has "
            f"{', '.join(now)}: the best of the one are not the best of the other. Expected a study with the same."
        )


def best_of_earlier(storage: Storage, search: SearchSection) -> list[Hyperparameters]:
    """Return what the best complete trials of the study to start from have drawn, by Optuna's names, the best first.

    With several objectives they are spread over the front.

    Returns:
        `search.warm_start_trials` of them or fewer; none without `search.warm_start`.

    Raises:
        StudyNotFoundError: There is no such study.
        OtherObjectivesError: One of the two studies has several objectives, and the other one does not have the same.
    """
    if search.warm_start is None:
        return []
    earlier = find_study(storage, search.warm_start)
    before, now = earlier.definition.measures, search.objectives or (search.objective,)
    names = [measure.name for measure in before]
    if (search.objectives or earlier.definition.others) and set(names) != set(now):
        raise OtherObjectivesError(earlier.name, names, now)
    complete = storage.optuna.get_all_trials(earlier.optuna_study_id, deepcopy=False, states=(TrialState.COMPLETE,))
    if earlier.definition.others:
        points = [point_of(before, trial.values) for trial in complete]
        known = [trial for trial, point in zip(complete, points, strict=True) if point is not None]
        order = order_by_fronts(before, [point for point in points if point is not None])
        return [known[place].params for place in order[: search.warm_start_trials]]
    utility = earlier.definition.objective.utility
    best = sorted(complete, key=lambda trial: -utility(trial.value))[: search.warm_start_trials]
    return [trial.params for trial in best]
