"""Create studies from a script or a notebook, and find those that are there."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.datasets.handed_arrays import FOLDER as DATASETS
from tuner.datasets.handed_arrays import note_use
from tuner.datasets.pictures.progress import tell_decoding
from tuner.datasets.reading import DecodedPictures
from tuner.errors import TunerError
from tuner.jobs.creation import DefinitionChangedError, find_equal_study
from tuner.jobs.creation import create_study as store_study
from tuner.jobs.preflight.report import PreflightError, StageReport
from tuner.python.builders import FOLDER as BUILDERS
from tuner.python.builders import PlacedBuilder, place_builder, tell_cells
from tuner.python.datasets import GROUPS, place_dataset
from tuner.python.definitions import define
from tuner.python.study import Study
from tuner.settings import Settings, read_settings
from tuner.spaces.builder_errors import BuilderError
from tuner.studies.database.storage import open_storage
from tuner.studies.database.url import printable_url
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.files import DefinitionError
from tuner.studies.definitions.naming import default_study_name
from tuner.studies.finals_plan import describe_plan
from tuner.studies.lifecycle import find_studies, find_study

if TYPE_CHECKING:
    import keras_tuner

#: What a default name calls images that were given in memory.
_ARRAYS = "arrays"


class StudyDiffersError(TunerError):
    """A study of that name exists, and it is not the one that was asked for."""

    def __init__(self, error: DefinitionChangedError) -> None:
        name = error.study.name
        advice = [
            f"give another name: name={name + '-2'!r}",
            f"or first remove it: load_study({name!r}).delete()",
        ]
        more = error.wanted.search.trials - error.study.budget
        if error.changed == ("search.trials",) and more > 0:
            advice.insert(0, f"add the trials: load_study({name!r}).extend({more})")
        told = error.told
        for key, words, folder in (
            ("space", "the builder's source is another", BUILDERS),
            ("dataset", "the images are others", DATASETS),
        ):
            before, now = getattr(error.study.definition, key), getattr(error.wanted, key)
            # The names of these files tell people nothing.
            if all(f"/{folder}/" in place for place in (before, now)):
                told = told.replace(f"{key}: {before} -> {now}", words)
        super().__init__(
            f"A study named {name!r} exists already, with another definition: {told}. It stays as it is, with "
            f"its own builder and data, and load_study({name!r}) continues it. For what you ask for now, "
            f"{', '.join(advice)}."
        )


def create_study(
    space: "str | keras_tuner.HyperModel | type | Any" = None,
    dataset: Any = None,
    *,
    validation_data: Any = None,
    groups: Any = None,
    name: str | None = None,
    trials: int | None = None,
    epochs: int | None = None,
    sampler: str | None = None,
    pruner: str | None = None,
    seed: int | None = None,
    warm_start: str | None = None,
    vary: Mapping[str, Sequence[Any]] | None = None,
    definition: str | Path | Mapping[str, Any] | StudyDefinition | None = None,
    check: bool = True,
    storage: str | None = None,
    **settings: Any,
) -> Study:
    """Create a study, or find the one that an earlier call with equal arguments has created.

    Everything that search and finals will need is tried first, on a few images and in a process of its own: nothing is
    stored if it fails. The study is in the database that the command line uses, in the current folder by default.

    Args:
        space: The builder: a function `build(hp)` or `build(hp, images)`, a `keras_tuner.HyperModel` (class or
            instance), a family such as `"cnn"`, or an import path. A model receives float32 images from 0 to 1, or with
            `data={"images": "uint8-range"}` from 0 to 255. Of a builder that a script or a notebook defines, workers
            import the source, with what it needs.
        dataset: A name such as `"digits"`, a path, `(x, y)`, `((x_train, y_train), (x_test, y_test))`, a
            `tf.data.Dataset` or a `keras.utils.PyDataset`. Images have the shape (n, height, width) or (n, height,
            width, 1 or 3); labels are whole numbers, text, or one-hot. Without a test part a fifth of every class is
            held out for the finals. Default: that of `definition`, else mnist.
        validation_data: Images and labels that score the trials, given as the training part is. Default: a tenth of the
            training part, drawn by class.
        groups: Of `(x, y)`: a number or text for each training image. Images of one group, such as all of one patient,
            are on one side of every split.
        name: What the study is called. Default: `<dataset>-<space>`.
        trials: Number of trials of the search.
        epochs: Epochs of each trial that is not pruned.
        sampler: How hyperparameters are drawn, such as `"tpe"`.
        pruner: Which trials are stopped early, such as `"asha"`.
        seed: Determines every random number of the study.
        warm_start: An earlier study whose best trials are tried first.
        vary: Values to compare with the default one factor at a time, by hyperparameter.
        definition: What the arguments change: a TOML file, a mapping with its settings, or another study's definition.
        check: False only builds the model, in this process, and trains nothing.
        storage: URL of the database. Default: `TUNER_STORAGE`, or SQLite in `TUNER_HOME`.
        **settings: Every other setting of a definition, by section: `finals={"top": 1}`, `fixed={"units": 64}`,
            `search={"batch_size": 32}`, `data={"folds": 5}`, `ranges={"dropout": {"high": 0.5}}`.

    Raises:
        StudyDiffersError: A study of that name has another definition.
        TunerError: An argument is wrong, the data cannot be read, or the builder's source cannot be had.
        Exception: What the builder itself raises with its defaults, with its own traceback.

    >>> again = tuner.create_study(definition=study.definition)  # as create_study(build, (x, y), trials=3, …) again
    >>> again
    <Study 'arrays-build', done, 3 of 3 trials>
    """
    places = read_settings(storage=storage)
    builder = place_builder(space, home=places.home) if space is not None else PlacedBuilder(space="")
    placed = _place(dataset, places, validation_data=validation_data, groups=groups)
    if groups is not None:
        settings["data"] = {**settings.get("data", {}), "group": GROUPS}
    if placed is not None and not isinstance(dataset, str | Path):
        note_use(Path(placed), database=printable_url(places.storage))
        if name is None and builder.space:
            name = default_study_name(dataset=_ARRAYS, space=builder.space)
    arguments = {
        "space": builder.space or None, "dataset": placed, "name": name, "seed": seed, "trials": trials,
        "epochs": epochs, "sampler": sampler, "pruner": pruner, "warm_start": warm_start,
    }  # fmt: skip
    try:
        wanted = define(definition, arguments, settings, vary=vary)
    except DefinitionError as error:
        # What pydantic said is in its line.
        raise error from None
    return _find_or_store(wanted, builder, places, check=check)


def _place(dataset: Any, places: Settings, *, validation_data: Any, groups: Any) -> str | None:
    if dataset is None and validation_data is None and groups is None:
        return None
    # Without a dataset it is a name: that of the definition.
    return place_dataset(
        "" if dataset is None else dataset, home=places.home, validation_data=validation_data, groups=groups
    )


def load_study(name: str, *, storage: str | None = None) -> Study:
    """Return the study of that name, created by Python or by the command line.

    Args:
        name: As `list_studies` and `tuner study list` print it.
        storage: As in `create_study`.

    Raises:
        StudyNotFoundError: There is none.

    >>> tuner.load_study("arrays-build").state
    'done'
    """
    places = read_settings(storage=storage)
    with open_storage(places.storage) as opened:
        return Study(find_study(opened, name), places)


def list_studies(*, storage: str | None = None) -> list[Study]:
    """Return all studies, oldest first.

    Args:
        storage: As in `create_study`.

    >>> [study.name for study in tuner.list_studies()]
    ['arrays-build']
    """
    places = read_settings(storage=storage)
    with open_storage(places.storage) as opened:
        return [Study(found, places) for found in find_studies(opened, [])]


def _find_or_store(wanted: StudyDefinition, builder: PlacedBuilder, places: Settings, *, check: bool) -> Study:
    with open_storage(places.storage) as opened:
        try:
            found = find_equal_study(opened, wanted)
        except DefinitionChangedError as error:
            raise StudyDiffersError(error) from None
        if found is not None:
            _say(f"Study {found.name} is there already, {found.state}: run() continues it.")
            return Study(found, places)
        _say("Trying what search and finals will need …" if check else "Building the model with its defaults …")
        try:
            stored = store_study(
                opened,
                wanted,
                data_dir=places.data_dir,
                check=check,
                on_report=_say_warnings,
                decoded=DecodedPictures(folder=places.picture_cache, on_progress=tell_decoding(_say)),
            )
        except (PreflightError, BuilderError) as error:
            raise_as_builder_does(builder, wanted, places)
            if isinstance(error, PreflightError):
                raise PreflightError(tell_cells(str(error), wanted.space)) from None
            raise
    if builder.told:
        _say(f"{builder.told}.")
    _say(f"Study {stored.name}: {describe_plan(wanted)}")
    return Study(stored, places)


def raise_as_builder_does(builder: PlacedBuilder, wanted: StudyDefinition, places: Settings) -> None:
    """Build the model with its defaults in this process: what the builder raises has a traceback into its own lines.

    Nothing happens where it builds, or was given as text.
    """
    if builder.found is None:
        return
    from tuner.training.backend import load_backend

    load_backend()
    from tuner.datasets.catalogue import open_dataset
    from tuner.spaces.import_path import call_builder

    data = wanted.data
    images = open_dataset(
        wanted.dataset, data_dir=places.data_dir, reading=data.reading, pixels=data.pixels
    ).load_train()
    with suppress(TunerError):
        call_builder(builder.found, images.image_format, values=wanted.fixed)


def _say_warnings(report: StageReport) -> None:
    for warning in report.warnings:
        _say(f"Warning: {report.stage}: {warning}")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
