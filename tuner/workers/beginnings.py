"""The trials that a search begins with instead of drawing them: defaults, baselines, another study's best.

Imports no Keras.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

from tuner.errors import TunerError
from tuner.studies.lifecycle import find_study
from tuner.studies.sections import SearchSection
from tuner.studies.storage import Storage

if TYPE_CHECKING:
    from tuner.workers.bridge import DeclaredParameter


class BaselineError(TunerError):
    """A baseline has a hyperparameter or value that the space does not have."""


class NothingToStartFromError(TunerError):
    """The study to start from has nothing that this one could use."""


def first_trials(
    search: SearchSection, declared: Sequence["DeclaredParameter"], *, earlier: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Return the values of the first trials by Optuna's names, in their order and each once.

    Args:
        search: What the definition says.
        declared: All that the space asks for.
        earlier: What `best_of_earlier` returns.

    Raises:
        BaselineError: A baseline does not fit the space.
        NothingToStartFromError: The earlier study has no complete trial, or searched something else.
    """
    trials: list[Mapping[str, Any]] = []
    # A grid has its own first combination.
    if search.start_with_defaults and search.sampler != "grid":
        trials.append({parameter.optuna_name: parameter.optuna_default for parameter in declared})
    trials += [_encode_baseline(baseline, declared) for baseline in search.baselines]
    if search.warm_start is not None:
        trials += _usable(search.warm_start, earlier, declared)
    return [values for index, values in enumerate(trials) if values not in trials[:index]]


def best_of_earlier(storage: Storage, search: SearchSection) -> list[Mapping[str, Any]]:
    """Return what the best complete trials of the study to start from have drawn, by Optuna's names, the best first.

    Raises:
        StudyNotFoundError: There is no such study.
    """
    if search.warm_start is None:
        return []
    complete = storage.optuna.get_all_trials(
        find_study(storage, search.warm_start).optuna_study_id, deepcopy=False, states=(TrialState.COMPLETE,)
    )
    best = sorted(complete, key=lambda trial: -(trial.value or 0.0))[: search.warm_start_trials]
    return [trial.params for trial in best]


def _encode_baseline(baseline: Mapping[str, Any], declared: Sequence["DeclaredParameter"]) -> Mapping[str, Any]:
    known = sorted({parameter.name for parameter in declared})
    for name, value in baseline.items():
        if name not in known:
            raise BaselineError(
                f"search.baselines has a value for {name!r}, which the space does not ask for. "
                f"It asks for: {', '.join(known)}."
            )
        if not _encode({name: value}, declared):
            raise BaselineError(
                f"search.baselines has {name} = {value!r}, which is not one of its values. "
                "See `tuner space show` for its range."
            )
    return _encode(baseline, declared)


def _usable(
    name: str, earlier: Sequence[Mapping[str, Any]], declared: Sequence["DeclaredParameter"]
) -> list[Mapping[str, Any]]:
    accepts = {parameter.optuna_name: parameter.optuna_accepts for parameter in declared}
    trials: list[Mapping[str, Any]] = []
    for params in earlier:
        # A name that was not found by building models may be asked all the same, behind a plain `if`.
        values = {name: value for name, value in params.items() if name not in accepts or accepts[name](value)}
        if values.keys() & accepts.keys():
            trials.append(values)
    if not trials:
        raise NothingToStartFromError(
            f"Received search.warm_start = {name!r}, of whose best {len(earlier)} complete trials none has a "
            "hyperparameter of this space. Expected a study of the same space with complete trials."
        )
    return trials


def _encode(values: Mapping[str, Any], declared: Sequence["DeclaredParameter"]) -> Mapping[str, Any]:
    """Return Optuna's answers for those of KerasTuner's values that the space has, for each branch it has them in."""
    answers = {
        parameter.optuna_name: parameter.optuna_answer(values[parameter.name])
        for parameter in declared
        if parameter.name in values
    }
    return {name: answer for name, answer in answers.items() if answer is not None}
