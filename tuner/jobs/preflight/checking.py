"""Run the whole preflight: images and test part in this process, everything that needs Keras in another one.

Imports no Keras itself.
"""

import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tuner.datasets.catalogue import Dataset
from tuner.datasets.division.folds import divide_into_folds
from tuner.datasets.division.group_shares import describe_side
from tuner.datasets.division.splits import Split, class_counts, split_stratified, take_stratified, warn_of_few
from tuner.datasets.images import LabelledImages
from tuner.datasets.reading import NOT_KEPT, DecodedPictures
from tuner.datasets.source import TrainingPart
from tuner.errors import TunerError
from tuner.jobs.finals.test_part import check_test_set
from tuner.jobs.preflight.process import LIMIT_S, PreflightProcess, writable_folder
from tuner.jobs.preflight.report import StageReport
from tuner.jobs.preflight.sample import PartSizes, take_sample, write_sample
from tuner.jobs.preflight.trying import collected_warnings, try_stage
from tuner.jobs.study.data import TEST_SHA256, keep_search_data, open_definition_dataset
from tuner.jobs.study.weights_file import FINALS_WEIGHTS_SHA256, WEIGHTS_SHA256, WeightsFile, read_weights
from tuner.plain_values import Hyperparameters, JSONObject, StoredPixels
from tuner.spaces.registry import PRETRAINED_FAMILY
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.records.study import MEASURED_TIME
from tuner.studies.sections.search import ONE_FACTOR
from tuner.studies.slots.outcomes import SearchJob
from tuner.studies.slots.stored_outcomes import read_job
from tuner.training.backend import NoBackendError, load_backend
from tuner.training.gpus import list_gpus

_log = logging.getLogger(__name__)

#: The warning of a machine where no model can be built.
NOT_TRIED = (
    "no training was tried, as this machine has no Keras backend. Faults of the space show in the first trials, or in "
    "`tuner study check` where workers run."
)

#: Called with the report of each stage as it ends.
OnReport = Callable[[StageReport], None]


@dataclass(frozen=True, kw_only=True)
class CheckRequest:
    """A definition to be checked, where its images are, and who is told of each stage."""

    definition: StudyDefinition
    #: Holds one folder for each dataset of the catalogue.
    data_dir: Path
    #: Where decoded pictures are kept.
    decoded: DecodedPictures = NOT_KEPT
    #: See `tuner.studies.warm_start`.
    earlier_trials: Sequence[Hyperparameters] = ()
    #: Called with the report of each stage, also of a stage that fails.
    on_report: OnReport = lambda _: None

    def open_dataset(self) -> Dataset:
        """Open the definition's dataset; no image is read yet."""
        return open_definition_dataset(self.definition, data_dir=self.data_dir, decoded=self.decoded)


@dataclass(frozen=True, kw_only=True)
class CheckedDefinition:
    """The findings of a check that are stored with the study."""

    class_names: tuple[str, ...]
    #: `data_sha256`; where the test part was read, `test_sha256`; for a user's own builder, `space_sha256`; for an own
    #: objective, `objective_sha256`; and what was measured of the time.
    hashes: Mapping[str, str]
    #: The meaning of the pixels of all parts, as a study stores it, and the warnings of both parts.
    pixels: StoredPixels
    #: The first trials, with values that they take instead of drawing them, under Optuna's names.
    first_jobs: Sequence[SearchJob]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Images:
    """The images that search and finals train on."""

    part: TrainingPart
    split: Split
    #: Images of each class that a trial is scored on, of all its folds together.
    n_scored: Sequence[int]
    #: Where a class has few of them.
    warnings: tuple[str, ...]

    @property
    def train(self) -> LabelledImages:
        return self.part.images

    def pixels_to_json(self) -> JSONObject:
        """Return what a study stores of its images: their pixels' meaning, their warnings, and how they are shared."""
        stored = self.part.pixels_to_json()
        return stored | {
            "warnings": [*stored["warnings"], *self.warnings],
            "validation_counts": list(self.n_scored),
            "class_counts": class_counts(self.train).tolist(),
        }


def check_definition(
    asked: CheckRequest,
    *,
    stage_limit_s: float = LIMIT_S,
    process: PreflightProcess | None = None,
    image_cache: Path | None = None,
) -> CheckedDefinition:
    """Try everything that search and finals will need.

    Args:
        asked: What to check.
        stage_limit_s: Seconds that each stage in the other process may take.
        process: The other process, if the caller has started it early and will close it; None starts one here.
        image_cache: Where the images are written for workers of this machine, while the other process works; None:
            nowhere.

    Raises:
        PreflightError: A stage failed; its message names the stage.
        TunerError: The images cannot be read or divided.
    """
    # Before a process is started, so that a mistyped name is reported at once.
    asked.open_dataset()
    definition = asked.definition
    with ExitStack() as stack:
        process = process or stack.enter_context(PreflightProcess(stage_limit_s=stage_limit_s))
        images = _read_images(asked)
        weights = _hash_weights(definition, images.train)
        with writable_folder():
            sample = write_sample(process.folder, take_sample(images.split))
        request = {"definition": definition.to_json(), "sample": sample, "earlier_trials": asked.earlier_trials}
        process.send({**request, "sizes": _count_images(images, definition)})
        # While the process works.
        test_hash, test_warnings = _check_test_set(asked, images)
        hashes = {"data_sha256": images.train.content_hash(), **test_hash, **weights}
        if image_cache is not None:
            keep_search_data(definition, images.train, image_cache)
        for report in process.reports():
            _pass_on(report, asked.on_report)
        hashes |= process.findings["objective"]
        return CheckedDefinition(
            class_names=images.train.class_names,
            hashes={**_hashes(hashes, process.findings["space_sha256"]), **_measured_time(process)},
            pixels=images.pixels_to_json() | {"test_warnings": test_warnings},
            first_jobs=[read_job("search", stored) for stored in process.findings["first_jobs"]],
        )


def _count_images(images: _Images, definition: StudyDefinition) -> dict[str, int] | None:
    """Return how many images a study has, from which its time follows; None on a machine whose GPUs are not tried."""
    if list_gpus():
        return None
    return asdict(PartSizes.of(images.split, train_images=definition.search.train_images))


def _measured_time(process: PreflightProcess) -> dict[str, str]:
    measured = process.findings.get("measured_time")
    return {} if measured is None else {MEASURED_TIME: measured}


def check_hyperparameters(asked: CheckRequest) -> CheckedDefinition:
    """Build the model only with its defaults, in this process: the least that a study needs to be stored.

    Raises:
        TunerError: The images cannot be read or divided, the space does not build, or the definition does not fit it.
    """
    definition = asked.definition
    images = _read_images(asked)
    hashes = {"data_sha256": images.train.content_hash(), **_hash_weights(definition, images.train)}
    # Last, because importing Keras takes seconds: typing errors are reported first.
    load_backend()
    from tuner.jobs.preflight.rehearsal import Rehearsal
    from tuner.jobs.preflight.stages import find_hyperparameters, open_builder, open_objective
    from tuner.jobs.study.scoring import objective_hash

    with tempfile.TemporaryDirectory() as folder:
        rehearsal = Rehearsal(definition, take_sample(images.split), Path(folder), earlier_trials=asked.earlier_trials)
        with _reported("search, hyperparameters", asked.on_report):
            open_builder(rehearsal)
            open_objective(rehearsal)
            find_hyperparameters(rehearsal)
    return CheckedDefinition(
        class_names=images.train.class_names,
        hashes=_hashes(hashes | objective_hash(definition), rehearsal.space.source_sha256),
        pixels=images.pixels_to_json(),
        first_jobs=rehearsal.first_jobs,
    )


def check_without_model(asked: CheckRequest) -> CheckedDefinition:
    """Read all images, on a machine where no model can be built: the worker that begins the study builds the first.

    Raises:
        NoBackendError: The definition's first trials need the space's hyperparameters.
        TunerError: The images cannot be read or divided.
    """
    definition, search = asked.definition, asked.definition.search
    if asked.earlier_trials or search.warm_start is not None or search.sampler == ONE_FACTOR:
        raise NoBackendError(needed_for="A comparison of factors" if search.sampler == ONE_FACTOR else "A warm start")
    images = _read_images(asked)
    test_hash, test_warnings = _check_test_set(asked, images)
    hashes = {"data_sha256": images.train.content_hash(), **test_hash, **_hash_weights(definition, images.train)}
    asked.on_report(StageReport(stage="search and finals", duration_s=0.0, warnings=(NOT_TRIED,)))
    n_beginnings = (search.start_with_defaults and search.sampler != "grid") + len(search.baselines)
    return CheckedDefinition(
        class_names=images.train.class_names,
        hashes=hashes,
        pixels=images.pixels_to_json() | {"test_warnings": test_warnings},
        first_jobs=[SearchJob(beginning=place) for place in range(n_beginnings)],
    )


def _check_test_set(asked: CheckRequest, images: _Images) -> tuple[dict[str, str], tuple[str, ...]]:
    """Read the test images if there will be finals; return their hash, and the warnings about them."""
    definition, found = asked.definition, dict[str, str]()
    if not definition.finals.top:
        return found, ()
    class_names, pixels = images.train.class_names, images.part.pixels

    def check() -> None:
        found[TEST_SHA256] = check_test_set(
            definition, class_names=class_names, data_dir=asked.data_dir, pixels=pixels, decoded=asked.decoded
        )

    report = try_stage("finals, test images", check, explain=_message_of)
    _pass_on(report, asked.on_report)
    return found, report.warnings


def _hashes(found: Mapping[str, str], space_sha256: str | None) -> dict[str, str]:
    return {**found, **({} if space_sha256 is None else {"space_sha256": space_sha256})}


def _hash_weights(definition: StudyDefinition, images: LabelledImages) -> dict[str, str]:
    """Return the hashes of the files that trials and finals start from; refuse those of other images or classes."""
    places = {WEIGHTS_SHA256: definition.search.weights_from, FINALS_WEIGHTS_SHA256: definition.finals.weights_from}
    hashes = {}
    for key, place in places.items():
        if place is not None:
            hashes[key], found = read_weights(place, images.image_format)
            if isinstance(found, WeightsFile) and found.problem is not None and definition.space != PRETRAINED_FAMILY:
                raise found.problem
    return hashes


def _read_images(asked: CheckRequest) -> _Images:
    definition = asked.definition
    with _reported("training images", asked.on_report):
        part = asked.open_dataset().read_training_part()
        for warning in part.warnings:
            _log.warning("%s", warning)
        split = _split(part.images, definition)
        counts = class_counts(part.images if definition.data.folds else split.validation)
        few = warn_of_few(counts, part.images.class_names, by_class=definition.objective.may_be_by_class)
        warnings = (*([] if few is None else [few]), *_describe_groups(part.images, split, definition))
        for warning in warnings:
            _log.warning("%s", warning)
        n_images = definition.search.train_images
        if n_images is not None and n_images < len(split.train):
            take_stratified(split.train, n_images=n_images, seed=definition.seed)
    return _Images(part=part, split=split, n_scored=counts.tolist(), warnings=warnings)


def _describe_groups(images: LabelledImages, split: Split, definition: StudyDefinition) -> list[str]:
    """Return how unequal the sides are that trials train on and are scored on, where they are divided by groups."""
    if images.groups is None or images.is_validation is not None:
        return []
    data = definition.data
    side = "first of the folds" if data.folds else "validation set"
    counts = class_counts(split.validation)
    return [describe_side(side, counts, class_counts(images), share=data.validation_fraction)]


def _split(images: LabelledImages, definition: StudyDefinition) -> Split:
    """Divide the images as the search does; of folds, a model is tried with the first."""
    data = definition.data
    if data.folds:
        return divide_into_folds(images, n_folds=data.folds, seed=definition.seed).split(1)
    return split_stratified(images, validation_fraction=data.validation_fraction, seed=definition.seed)


@contextmanager
def _reported(stage: str, on_report: OnReport) -> Iterator[None]:
    """Report on a stage in this process; its exceptions pass through unchanged."""
    started = time.perf_counter()
    warnings: list[str] = []

    def report(problem: str | None) -> None:
        duration_s = time.perf_counter() - started
        on_report(StageReport(stage=stage, duration_s=duration_s, problem=problem, warnings=tuple(warnings)))

    try:
        with collected_warnings() as warnings:
            yield
    except TunerError as error:
        report(str(error))
        raise
    report(None)


def _message_of(error: BaseException) -> str:
    """Return the message of an error that a person can act on; other errors of this process keep their traceback."""
    if not isinstance(error, TunerError):
        raise error
    return str(error)


def _pass_on(report: StageReport, on_report: OnReport) -> None:
    on_report(report)
    report.refuse_problem()
