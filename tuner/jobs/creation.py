"""Create a study, and find everything that is wrong with its definition before the first trial."""

import hashlib
import logging
import platform
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tuner.backends import BACKENDS
from tuner.datasets.reading import NOT_KEPT, DecodedPictures
from tuner.errors import TunerError
from tuner.jobs.preflight.checking import (
    CheckedDefinition,
    CheckRequest,
    OnReport,
    check_definition,
    check_hyperparameters,
    check_without_model,
)
from tuner.jobs.preflight.process import PreflightProcess
from tuner.jobs.preflight.report import StageReport
from tuner.plain_values import Hyperparameters
from tuner.spaces.registry import refuse_unknown_space
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.making import change_definition
from tuner.studies.lifecycle import Study, StudyExistsError, find_study, insert_study, list_names
from tuner.studies.pruners import refuse_unknown_pruner
from tuner.studies.samplers import make_sampler
from tuner.studies.sections.search import ONE_FACTOR
from tuner.studies.warm_start import best_of_earlier
from tuner.training.backend import has_backend

#: Packages whose versions influence a result.
_RECORDED = ("tuner", "keras", *(backend.name for backend in BACKENDS), "optuna", "keras-tuner", "numpy")

_log = logging.getLogger(__name__)

#: How many changed settings an error names.
_MOST_NAMED = 8


class DefinitionChangedError(TunerError):
    """A study of that name exists with another definition."""

    def __init__(self, study: Study, wanted: StudyDefinition) -> None:
        self.study, self.wanted = study, wanted
        before, now = (_dotted(one.determining()) for one in (study.definition, wanted))
        changed = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        changed = _without_what_follows(changed, study.definition, now)
        told = ", ".join(
            f"{key}: {before.get(key, 'not set')} -> {now.get(key, 'not set')}" for key in changed[:_MOST_NAMED]
        )
        told += f" and {len(changed) - _MOST_NAMED} more" if len(changed) > _MOST_NAMED else ""
        #: Which settings differ, by their dotted keys; and how, as text.
        self.changed, self.told = tuple(changed), told
        extend = ""
        if changed == ["search.trials"] and (more := wanted.search.trials - study.budget) > 0:
            extend = f"add the trials with `tuner study extend {study.name} --trials {more}`, "
        elif changed == ["search.repeats"] and (more := wanted.search.repeats - study.definition.search.repeats) > 0:
            extend = f"add the repeats with `tuner study extend {study.name} --repeats {more}`, "
        super().__init__(
            f"A study named {study.name!r} exists already, with another definition: {told}. To change it, {extend}"
            f"search under another name with `--name {study.name}-2` (or `--set name={study.name}-2`), or remove it "
            f"with `tuner study delete {study.name}`. To continue it unchanged, type `tuner workers {study.name} "
            "--until-done`."
        )


def _without_what_follows(changed: Sequence[str], before: StudyDefinition, now: Mapping[str, Any]) -> list[str]:
    """Leave out the settings of finals that have another default because a setting of the search has changed."""
    own = {key: now.get(key) for key in changed if not key.startswith("finals.")}
    try:
        moved = _dotted(change_definition(before, own, source="definition").determining())
    except TunerError:
        # The changes hang together with others.
        return list(changed)
    return [key for key in changed if key in own or moved.get(key) != now.get(key)]


def _dotted(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings by their dotted keys, as `--set` names them."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= _dotted(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return found


def log_warnings(report: StageReport) -> None:
    """Log the warnings of a stage."""
    for warning in report.warnings:
        _log.warning("%s: %s", report.stage, warning)


def create_study(
    storage: Storage,
    definition: StudyDefinition,
    *,
    data_dir: Path,
    check: bool = True,
    process: PreflightProcess | None = None,
    on_report: OnReport = log_warnings,
    decoded: DecodedPictures = NOT_KEPT,
    image_cache: Path | None = None,
) -> Study:
    """Try on a few images everything that search and finals will need, then store the study.

    Args:
        storage: Where the study is stored.
        definition: The study's definition.
        data_dir: Holds one folder for each dataset of the catalogue.
        check: False skips all training: the model is only built with its defaults, in this process. Where no Keras
            backend is installed no model is built at all, and a report says so.
        process: The process of the check, if the caller has started it early; None starts one.
        on_report: Called with each stage of the check as it ends.
        decoded: Where decoded pictures are kept.
        image_cache: Where a check keeps the images for workers of this machine; None: nowhere.

    Raises:
        TunerError: The name is taken, the settings of sampler or pruner are wrong, the dataset cannot be read or split,
            the space does not build, it does not accept a fixed value, or a later stage would fail.
    """
    if definition.name in list_names(storage):
        raise StudyExistsError(definition.name)
    _refuse_unknown_names(definition)
    examine = _choose_check(check=check, process=process, image_cache=image_cache)
    asked = CheckRequest(
        definition=definition,
        data_dir=data_dir,
        decoded=decoded,
        earlier_trials=best_of_earlier(storage, definition.search),
        on_report=on_report,
    )
    found = examine(asked)
    if definition.search.sampler == ONE_FACTOR:
        _tell_unused_budget(definition, n_trials=len(found.first_jobs), on_report=on_report)
        definition = definition.with_budget(len(found.first_jobs))
    return insert_study(
        storage,
        definition,
        class_names=found.class_names,
        provenance={**recorded_versions(), **found.hashes},
        pixels=found.pixels,
        first_jobs=found.first_jobs,
    )


def _choose_check(
    *, check: bool, process: PreflightProcess | None, image_cache: Path | None
) -> Callable[[CheckRequest], CheckedDefinition]:
    """Return what is tried before a study is stored: as much as is asked for, and possible on this machine."""
    if not has_backend():
        return check_without_model
    return partial(check_definition, process=process, image_cache=image_cache) if check else check_hyperparameters


def _tell_unused_budget(definition: StudyDefinition, *, n_trials: int, on_report: OnReport) -> None:
    """Warn where a person asks for another budget than the one that follows from the factors."""
    asked = definition.search.trials
    if "trials" in definition.search.model_fields_set and asked != n_trials:
        warning = f"search.trials = {asked} is not used: the values of search.vary make {n_trials} trials."
        on_report(StageReport(stage="search, budget", duration_s=0.0, problem=None, warnings=(warning,)))


def try_study(
    definition: StudyDefinition,
    *,
    storage_url: str,
    data_dir: Path,
    process: PreflightProcess | None = None,
    on_report: OnReport = log_warnings,
    decoded: DecodedPictures = NOT_KEPT,
) -> None:
    """Try what `create_study` tries, and store nothing; the database is opened only for a warm start.

    Raises:
        TunerError: As in `create_study`, except that the name may be taken.
    """
    _refuse_unknown_names(definition)
    earlier: Sequence[Hyperparameters] = ()
    if definition.search.warm_start is not None:
        with open_storage(storage_url) as storage:
            earlier = best_of_earlier(storage, definition.search)
    asked = CheckRequest(
        definition=definition, data_dir=data_dir, decoded=decoded, earlier_trials=earlier, on_report=on_report
    )
    check_definition(asked, process=process)


def find_equal_study(storage: Storage, definition: StudyDefinition) -> Study | None:
    """Return the study that an earlier command created from this definition; None if the name is free.

    Raises:
        DefinitionChangedError: A study of that name has another definition.
    """
    if definition.name not in list_names(storage):
        return None
    study = find_study(storage, definition.name)
    if not study.definition.determines_the_same_as(definition):
        raise DefinitionChangedError(study, definition)
    return study


def _refuse_unknown_names(definition: StudyDefinition) -> None:
    refuse_unknown_space(definition.space)
    refuse_unknown_pruner(definition.search.pruner)
    make_sampler(definition.search, study_seed=definition.seed, trial_number=0)


def recorded_versions() -> dict[str, str]:
    """Return the versions of Python and of packages that influence a result, and the hash of this package's code."""
    versions = {"python": platform.python_version(), "code_sha256": _code_hash()}
    for name in _RECORDED:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            # Not every backend is installed.
            continue
    return versions


def _code_hash() -> str:
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()
