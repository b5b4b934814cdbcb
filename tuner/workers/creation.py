"""Creating a study: everything that could be wrong is found out before the first trial."""

import hashlib
import logging
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.splits import split_stratified, take_stratified
from tuner.errors import TunerError
from tuner.spaces.registry import open_space, refuse_unknown_space
from tuner.spaces.space import Space
from tuner.studies.definition import StudyDefinition
from tuner.studies.lifecycle import Study, StudyExistsError, find_study, insert_study, list_names
from tuner.studies.pruners import refuse_unknown_pruner
from tuner.studies.samplers import make_sampler
from tuner.studies.storage import Storage
from tuner.training.backend import load_backend

_log = logging.getLogger(__name__)

#: Packages whose versions shape a result.
_RECORDED = ("tuner", "keras", "tensorflow", "jax", "optuna", "keras-tuner", "numpy")


#: Changed settings that an error names.
_TOLD = 8


class DefinitionChangedError(TunerError):
    """A study of that name was created with other settings, which stay as they are."""

    def __init__(self, study: Study, wanted: StudyDefinition) -> None:
        before, now = (_dotted(one.model_dump(mode="json")) for one in (study.definition, wanted))
        changed = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        told = ", ".join(f"{key}: {before.get(key, 'not set')} -> {now.get(key, 'not set')}" for key in changed[:_TOLD])
        told += f" and {len(changed) - _TOLD} more" if len(changed) > _TOLD else ""
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
        found |= _dotted(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
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
    part = open_dataset(
        definition.dataset, data_dir=data_dir, resize=definition.data.resize, pixels=definition.data.pixels
    ).read_training_part()
    images = part.images
    split = split_stratified(images, validation_fraction=definition.data.validation_fraction, seed=definition.seed)
    n_wanted = definition.search.train_images
    if n_wanted is not None and n_wanted < len(split.train):
        take_stratified(split.train, n_images=n_wanted, seed=definition.seed)
    # Only now: it takes seconds, for which nobody wants to wait before he reads of a slip of the pen.
    load_backend()
    from tuner.workers.beginnings import first_trials
    from tuner.workers.bridge import declared_parameters
    from tuner.workers.grid import check_grid
    from tuner.workers.space_check import check_space

    space = open_space(definition.space)
    declared = declared_parameters(space, images.image_format, fixed=definition.fixed)
    check_grid(definition.search, declared)
    beginnings = first_trials(storage, definition.search, declared, fixed=definition.fixed)
    for warning in check_space(space, images, declared, definition):
        _log.warning("%s", warning)
    return insert_study(
        storage,
        definition,
        class_names=images.class_names,
        provenance={
            **recorded_versions(),
            "data_sha256": images.content_hash(),
            **recorded_source(space),
        },
        pixels=part.pixels_to_json(),
        first_trials=beginnings,
    )


def recorded_source(space: Space) -> dict[str, str]:
    """Return the hash of a builder of one's own, as a study records it; nothing for families of this package."""
    return {} if space.source_sha256 is None else {"space_sha256": space.source_sha256}


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
