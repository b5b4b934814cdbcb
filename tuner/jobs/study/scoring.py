"""How the scores of a study's objectives are measured; a function of a person's own is found by its import path."""

import inspect
from collections.abc import Mapping

from tuner.errors import TunerError
from tuner.jobs.study.data import DataUnavailableError
from tuner.objectives import Objective
from tuner.spaces.imported_settings import keep_settings_of
from tuner.spaces.own_objects import find_own_object
from tuner.spaces.sources import read_sources
from tuner.spaces.space import hash_sources
from tuner.studies.definitions.definition import StudyDefinition
from tuner.training.scoring import ScoreFunction, Scoring, Scorings, make_scoring

#: In a study's provenance: of the source of its objective's function; those of others follow with their names.
OBJECTIVE_SHA256 = "objective_sha256"


class ObjectiveImportError(TunerError):
    """An import path leads to no function that could be an objective."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"Cannot open the objective {path!r}: {' '.join(reason.split())}")


class ObjectiveChangedError(DataUnavailableError):
    """The source of the objective's function has changed since the study was created."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"The objective {path!r} has changed since the study was created: its scores could not be compared with "
            "those before. Put the old source back and start the worker again, or create a new study."
        )


def open_scoring(definition: StudyDefinition, provenance: Mapping[str, str] | None = None) -> Scorings:
    """Return how the study's scores are measured.

    Args:
        definition: The study's.
        provenance: The study's; None while it is checked.

    Raises:
        ObjectiveImportError: An import path leads to no function.
        ObjectiveChangedError: Its source has changed since the study was created.
    """

    def open_one(objective: Objective) -> Scoring | None:
        top_k = definition.search.top_k
        if not objective.is_function:
            return make_scoring(objective, top_k=top_k)
        function, sha256 = _import_function(objective.name)
        known = (provenance or {}).get(_key_of(objective))
        if known is not None and known != sha256:
            raise ObjectiveChangedError(objective.name)
        return make_scoring(objective, top_k=top_k, own=function)

    leading, *others = list_objectives(definition)
    return Scorings(leading=open_one(leading), others=tuple((other, open_one(other)) for other in others))


def list_objectives(definition: StudyDefinition) -> list[Objective]:
    """Return the study's objectives that training changes, the one that leads first."""
    return [measure for measure in definition.measures if isinstance(measure, Objective)]


def objective_hash(definition: StudyDefinition) -> dict[str, str]:
    """Return what a study stores of the sources of its objectives' functions; nothing for other objectives."""
    functions = [objective for objective in list_objectives(definition) if objective.is_function]
    hashes = {_key_of(objective): _import_function(objective.name)[1] for objective in functions}
    return {key: sha256 for key, sha256 in hashes.items() if sha256 is not None}


def _key_of(objective: Objective) -> str:
    return f"{OBJECTIVE_SHA256} of {objective.name}" if objective.is_beside else OBJECTIVE_SHA256


def _import_function(path: str) -> tuple[ScoreFunction, str | None]:
    """Return the function and the hash of its source files; None for one of an installed package."""
    with keep_settings_of(path.partition(":")[0]):
        module, found = find_own_object(
            path,
            expected="package.module:function, for example my_metrics:g_mean",
            what="functions",
            refuse=ObjectiveImportError,
        )
    if not callable(found) or inspect.isclass(found):
        raise ObjectiveImportError(
            path, f"it is {type(found).__name__}; expected a function of labels and probabilities."
        )
    return found, hash_sources(read_sources(module))
