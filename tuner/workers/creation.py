"""Creating a study: everything that could be wrong is found out before the first trial."""

import hashlib
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.splits import split_stratified
from tuner.errors import TunerError
from tuner.spaces.registry import open_space, refuse_unknown_space
from tuner.studies.definition import StudyDefinition
from tuner.studies.grid_sampler import GridValuesError
from tuner.studies.lifecycle import Study, StudyExistsError, find_study, insert_study, list_names
from tuner.studies.pruners import refuse_unknown_pruner
from tuner.studies.samplers import make_sampler
from tuner.studies.sections import SearchSection
from tuner.studies.storage import Storage
from tuner.training.backend import load_backend

if TYPE_CHECKING:
    from tuner.workers.bridge import DeclaredParameter

#: Packages whose versions shape a result.
_RECORDED = ("tuner", "keras", "tensorflow", "jax", "optuna", "keras-tuner", "numpy")


class DefinitionChangedError(TunerError):
    """A study of that name was created with other settings, which stay as they are."""

    def __init__(self, study: Study, wanted: StudyDefinition) -> None:
        before, now = (_dotted(one.model_dump(mode="json")) for one in (study.definition, wanted))
        changed = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        told = ", ".join(f"{key}: {before.get(key, 'none')} -> {now.get(key, 'none')}" for key in changed)
        more = wanted.search.trials - study.budget
        extend = (
            f"add the trials with `tuner study extend {study.name} --trials {more}`, "
            if changed == ["search.trials"] and more > 0
            else ""
        )
        super().__init__(
            f"A study named {study.name!r} exists already, with another definition: {told}. To change it, {extend}"
            f"search under another name with `--name {study.name}-2` (or `--set name={study.name}-2`), or remove it "
            f"with `tuner study delete {study.name}`; `tuner workers {study.name} --until-done` goes on with it as "
            "it was."
        )


def _dotted(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings by their dotted keys, as `--set` names them."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        inner = _dotted(value, f"{prefix}{key}.") if isinstance(value, Mapping) and value else {prefix + key: value}
        found |= inner
    return found


def create_study(storage: Storage, definition: StudyDefinition, *, data_dir: Path) -> Study:
    """Check the definition against its dataset and space, then store the study.

    Raises:
        TunerError: The dataset cannot be read or split, the space is unknown or does not build, a fixed value is not
            one of the space's, the sampler or pruner cannot work so, or the name is taken.
    """
    if definition.name in list_names(storage):
        raise StudyExistsError(definition.name)
    refuse_unknown_space(definition.space)
    refuse_unknown_pruner(definition.search.pruner)
    make_sampler(definition.search, study_seed=definition.seed, trial_number=0)
    if definition.search.warm_start is not None:
        find_study(storage, definition.search.warm_start)
    images = open_dataset(definition.dataset, data_dir=data_dir, resize=definition.data.resize).load_train()
    split_stratified(images, validation_fraction=definition.data.validation_fraction, seed=definition.seed)
    # Only now: it takes seconds, for which nobody wants to wait before he reads of a slip of the pen.
    load_backend()
    from tuner.workers.beginnings import first_trials
    from tuner.workers.bridge import declared_parameters

    declared = declared_parameters(open_space(definition.space), images.image_format, fixed=definition.fixed)
    _check_grid(definition.search, declared)
    return insert_study(
        storage,
        definition,
        class_names=images.class_names,
        provenance={**recorded_versions(), "data_sha256": images.content_hash()},
        first_trials=first_trials(storage, definition.search, declared),
    )


def recorded_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that shape a result, and the hash of this package's code."""
    versions = {"python": platform.python_version(), "code_sha256": _code_hash()}
    for name in _RECORDED:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            # JAX or TensorFlow: one backend is enough.
            continue
    return versions


def _code_hash() -> str:
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()


def _check_grid(search: SearchSection, declared: Sequence["DeclaredParameter"]) -> None:
    if search.sampler != "grid":
        return
    known = {name for parameter in declared for name in (parameter.name, parameter.optuna_name)}
    unknown = sorted(set(search.grid) - known)
    if unknown:
        raise GridValuesError(
            f"search.grid has values for {', '.join(unknown)}, which the space does not ask for. "
            f"It asks for: {', '.join(sorted({parameter.name for parameter in declared}))}."
        )
    missing = sorted(
        {
            parameter.name
            for parameter in declared
            if parameter.optuna_values is None and not {parameter.name, parameter.optuna_name} & set(search.grid)
        }
    )
    if missing:
        raise GridValuesError(
            f"The sampler grid needs values for the continuous hyperparameters {', '.join(missing)}. "
            f"Give them, as in `--set search.grid.{missing[0]}=[…]`, or fix them: `--set fixed.{missing[0]}=…`."
        )


def create_or_continue(storage: Storage, definition: StudyDefinition, *, data_dir: Path) -> Study:
    """Create the study, or find it with the very same definition from an earlier start.

    Raises:
        TunerError: As `create_study`.
        DefinitionChangedError: A study of that name has another definition.
    """
    if definition.name not in list_names(storage):
        return create_study(storage, definition, data_dir=data_dir)
    study = find_study(storage, definition.name)
    if study.definition != definition:
        raise DefinitionChangedError(study, definition)
    return study
