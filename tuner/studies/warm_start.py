"""What an earlier study in the same database has to start from."""

from collections.abc import Mapping
from typing import Any

from optuna.trial import TrialState

from tuner.studies.lifecycle import find_study
from tuner.studies.sections import SearchSection
from tuner.studies.storage import Storage


def best_of_earlier(storage: Storage, search: SearchSection) -> list[Mapping[str, Any]]:
    """Return what the best complete trials of the study to start from have drawn, by Optuna's names, the best first.

    Returns:
        `search.warm_start_trials` of them or fewer; none without `search.warm_start`.

    Raises:
        StudyNotFoundError: There is no such study.
    """
    if search.warm_start is None:
        return []
    earlier = find_study(storage, search.warm_start)
    complete = storage.optuna.get_all_trials(earlier.optuna_study_id, deepcopy=False, states=(TrialState.COMPLETE,))
    utility = earlier.definition.objective.utility
    best = sorted(complete, key=lambda trial: -utility(trial.value))[: search.warm_start_trials]
    return [trial.params for trial in best]
