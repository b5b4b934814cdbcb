"""The definition of a study: everything that determines its results, written by a person and stored with the study."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from tuner.datasets.file_formats import list_file_formats
from tuner.errors import did_you_mean, shorten
from tuner.objectives import COSTS, Measure, Objective, find_objective
from tuner.space_ranges import Scalar, SpaceRange
from tuner.studies.constraints import Constraint, read_constraints
from tuner.studies.data_section import DataSection
from tuner.studies.definition_files import DefinitionError, find_definition, read_definition_toml
from tuner.studies.explanation import explain
from tuner.studies.finals_defaults import with_finals_in_proportion
from tuner.studies.finals_section import FinalsSection
from tuner.studies.naming import check_study_name, default_study_name
from tuner.studies.objective_settings import direction_of
from tuner.studies.other_names import OTHER_NAMES
from tuner.studies.overrides import apply_overrides, parse_overrides
from tuner.studies.pruners import PRUNERS
from tuner.studies.published import PublishedFigure
from tuner.studies.samplers import SAMPLERS
from tuner.studies.sections import (
    ONE_FACTOR,
    REGIME,
    SearchSection,
    inherit_regime,
)
from tuner.studies.sharing import SharingSection
from tuner.training_settings import Section, contradiction, shown

#: What a study is made for when no dataset is named.
DEFAULT_DATASET = "mnist"


def _check_import_path(path: str) -> str:
    module, _, name = path.partition(":")
    if not module or not name:
        raise ValueError("expected package.module:Callback, for example my_callbacks:Tracker")
    return path


class StudyDefinition(Section):
    """A study, as `studies/*.toml` holds it."""

    name: Annotated[str, AfterValidator(check_study_name)] = Field(
        description="what the study is called in commands, folders and URLs",
        json_schema_extra=shown(default="required in a file; else DATASET-SPACE"),
    )
    space: str = Field(
        min_length=1,
        description="architecture family, recipe, or `package.module:Object` of your own builder; a table [space] has "
        "it as space.name",
    )
    ranges: Mapping[str, SpaceRange] = Field(
        default_factory=dict,
        description="what is searched of the hyperparameter NAME, in place of what the space declares",
    )
    dataset: str = Field(
        min_length=1,
        description=f"name in the catalogue, or path of {list_file_formats()}",
        json_schema_extra=shown(default="required in a file; else mnist"),
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="determines every random number of the study")
    data: DataSection = Field(default_factory=DataSection, description="how images are read and divided")
    search: SearchSection = Field(
        default_factory=SearchSection,
        description="the trials: how many, how their hyperparameters are drawn, how they are trained",
    )
    fixed: Mapping[str, Scalar] = Field(
        default_factory=dict,
        description="value of the hyperparameter NAME, which is then not searched",
        json_schema_extra=shown(default="none: it is searched", allowed="number, text or boolean"),
    )
    finals: FinalsSection = Field(
        default_factory=FinalsSection, description="how the best trials are confirmed, retrained and tested"
    )
    callbacks: tuple[Annotated[str, AfterValidator(_check_import_path)], ...] = Field(
        default=(),
        strict=False,
        description="Keras callbacks of your own that watch each training",
        json_schema_extra=shown(allowed='list of import paths, such as ["my_callbacks:Tracker"]'),
    )
    sharing: SharingSection = Field(
        default_factory=SharingSection, description="how it shares the workers with other studies"
    )
    published: tuple[PublishedFigure, ...] = Field(
        default=(),
        strict=False,
        description="numbers that others have published, which the report shows beside the study's own; one table "
        "[[published]] for each",
    )

    @model_validator(mode="before")
    @classmethod
    def _read_space_table(cls, settings: Any) -> Any:
        """Take a table `[space]` apart into the space's name and the ranges of its hyperparameters."""
        if not isinstance(settings, dict) or not isinstance(settings.get("space"), dict):
            return settings
        if "ranges" in settings:
            raise contradiction("ranges", "no setting has this name; expected [space.NAME] for each hyperparameter")
        ranges = dict(settings["space"])
        name = {"space": ranges.pop("name")} if "name" in ranges else {}
        others = {key: value for key, value in settings.items() if key != "space"}
        return {**others, **name, "ranges": ranges}

    # Pydantic runs the last of these first.
    @model_validator(mode="before")
    @classmethod
    def _keep_finals_in_proportion(cls, settings: Any) -> Any:
        return with_finals_in_proportion(settings)

    @model_validator(mode="before")
    @classmethod
    def _compare_without_finals(cls, settings: Any) -> Any:
        """Make no finals after a comparison of one factor at a time, unless they are asked for."""
        search, finals = (
            settings.get(name, {}) if isinstance(settings, dict) else None for name in ("search", "finals")
        )
        if isinstance(search, dict) and search.get("sampler") == ONE_FACTOR and isinstance(finals, dict):
            return {**settings, "finals": {"top": 0, **finals}}
        return settings

    @model_validator(mode="before")
    @classmethod
    def _train_finals_as_the_search(cls, settings: Any) -> Any:
        return inherit_regime(settings)

    @model_validator(mode="after")
    def _draw_in_the_search_alone(self) -> Self:
        for name in REGIME:
            searched = getattr(self.search, name)
            for key, drawn in getattr(self.finals, name).ranges.items():
                if searched is None or searched.ranges.get(key) != drawn:
                    raise contradiction(
                        f"finals.{name}.{key}",
                        f"finals take what the search draws; expected one value, or the same range in search.{name}",
                    )
        return self

    @model_validator(mode="after")
    def _know_sampler_and_pruner(self) -> Self:
        for key, name, known in (
            ("search.sampler", self.search.sampler, SAMPLERS),
            ("search.pruner", self.search.pruner, PRUNERS),
        ):
            if name not in known:
                guess = did_you_mean(name, known, meanings=OTHER_NAMES[key])
                raise contradiction(key, f"received {shorten(name)!r}, expected one of {', '.join(known)}.{guess}")
        return self

    @model_validator(mode="after")
    def _compare_trials_as_they_train(self) -> Self:
        if self.data.folds and self.search.pruner == "patient":
            raise contradiction(
                "search.pruner",
                "received 'patient', which waits for a better epoch, but with data.folds trials are compared by folds, "
                "which have no order; expected another pruner, such as median",
            )
        if self.data.folds and self.search.pruning.resource == "images":
            raise contradiction(
                "search.pruning.resource",
                "received 'images', but with data.folds trials are compared by folds, each of which is trained in "
                "full; expected 'epochs', or no data.folds",
            )
        first, limit = self.search.pruning.min_resource, "data.folds" if self.data.folds else "search.epochs"
        if self.search.pruner in {"asha", "hyperband"} and first > self.n_steps:
            raise contradiction(
                "search.pruning.min_resource", f"received {first}, expected at most {limit} ({self.n_steps})"
            )
        return self

    @property
    def n_steps(self) -> int:
        """Number of a trial's steps, each with a score to compare: its folds if it has any, else its epochs."""
        return self.data.folds or self.search.epochs

    @property
    def epochs_of_trial(self) -> int:
        """Epochs of a trial that is not pruned, those of all its folds together."""
        return self.search.epochs * (self.data.folds or 1)

    @property
    def objective(self) -> Objective:
        """What the search optimises: everything that reads, compares or writes a score of this study takes it here."""
        return self._find(self.search.objective)

    def _find(self, name: str) -> Objective:
        return find_objective(name, direction=direction_of(self.search, name), top_k=self.search.top_k)

    @property
    def others(self) -> tuple[Measure, ...]:
        """The objectives and costs beside the objective that leads; none in a study of one objective."""
        return tuple(
            COSTS[name] if name in COSTS else replace(self._find(name), is_beside=True)
            for name in self.search.objectives
            if name != self.search.objective
        )

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The objective, and the others after it: the values of a trial in Optuna, in their order."""
        return (self.objective, *self.others)

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """The limits of what a model costs."""
        return read_constraints(self.search.constraints)

    def determines_the_same_as(self, other: Self) -> bool:
        """Say whether the two give the same study: what others have published and how it shares workers may differ."""
        return self.determining() == other.determining()

    def determining(self) -> dict[str, Any]:
        """Return the settings that determine a study, as JSON values.

        The budget of one factor at a time follows from the others.
        """
        is_one_factor = self.search.sampler == ONE_FACTOR
        return self.model_dump(
            mode="json",
            exclude={"published": True, "sharing": True, "search": {"trials"} if is_one_factor else set()},
        )

    def with_budget(self, trials: int) -> Self:
        """Return the definition with this number of trials."""
        return self.model_copy(update={"search": self.search.model_copy(update={"trials": trials})})

    def to_settings(self) -> dict[str, Any]:
        """Return the settings as a person writes them, without those that have their defaults anyway."""
        settings = self.model_dump(mode="json", exclude_none=True)
        same = (self.determining(), self.sharing)

        def is_same() -> bool:
            read = type(self).model_validate(settings)
            return (read.determining(), read.sharing) == same

        _drop_defaults(settings, is_same)
        if self.published:
            settings["published"] = [one.model_dump(mode="json", exclude_none=True) for one in self.published]
        if ranges := settings.pop("ranges", None):
            settings["space"] = {"name": self.space, **ranges}
        return settings

    def to_json(self) -> str:
        """Return the whole definition, defaults included, as JSON that `from_json` reads back."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            DefinitionError: A different version of this package wrote it, with settings unknown to this one.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise DefinitionError(explain(error, cls, source="stored definition")) from error

    @classmethod
    def from_stored(cls, values: Mapping[str, Any]) -> Self:
        """Read what a study stores of its definition: its values, of JSON's types.

        Raises:
            DefinitionError: As `from_json`.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise DefinitionError(explain(error, cls, source="stored definition")) from error


def read_definition(
    path: str | Path, overrides: Sequence[str] = (), *, changes: Mapping[str, Any] = MappingProxyType({})
) -> StudyDefinition:
    """Read a study definition from a TOML file, or the one that comes with this package under a name.

    A dataset's path is relative to the file's folder; in an override or a change it is relative to the current folder.

    Args:
        path: The file; or a name of `tuner.studies.shipped`, if no file is called so.
        overrides: `key=value` with dotted keys, as in `search.trials=200`; they replace the file's values.
        changes: The same as values by their dotted keys; overrides replace them.

    Raises:
        DefinitionError: The file is missing or not TOML, or a key or value is wrong.
        OverrideError: An override has no `=` or no possible key.
    """
    path = find_definition(Path(path))
    settings = read_definition_toml(path)
    if isinstance(settings.get("dataset"), str):
        settings["dataset"] = _absolute(settings["dataset"], folder=path.parent)
    for table in (settings.get("search"), settings.get("finals")):
        if isinstance(table, dict) and isinstance(table.get("weights_from"), str):
            table["weights_from"] = absolute_place(table["weights_from"], folder=path.parent)
    return _validate(_apply(settings, changes), overrides, source=str(path), changed=changes)


def change_definition(
    definition: StudyDefinition, changes: Mapping[str, Any], overrides: Sequence[str] = (), *, source: str
) -> StudyDefinition:
    """Return the definition with some settings replaced.

    Args:
        definition: The one to begin with.
        changes: Values by their dotted keys, as in `compose_definition`.
        overrides: As in `read_definition`; they replace the changes.
        source: Where the changes come from, for errors.

    Raises:
        DefinitionError: A value is wrong.
        OverrideError: An override has no `=` or no possible key.
    """
    return _validate(_apply(definition.to_settings(), changes), overrides, source=source)


def compose_definition(changes: Mapping[str, Any], overrides: Sequence[str] = (), *, source: str) -> StudyDefinition:
    """Make a study definition without a file.

    Args:
        changes: Values by their dotted keys, `space` among them. Every other setting keeps its default: the dataset is
            mnist, and the name `<dataset>-<space>`. A dataset's path is relative to the current folder.
        overrides: As in `read_definition`; they replace the changes.
        source: Where the changes come from, for errors.

    Raises:
        DefinitionError: A value is wrong.
        OverrideError: An override has no `=` or no possible key.
    """
    changes = {"dataset": DEFAULT_DATASET, **changes}
    name = default_study_name(dataset=changes["dataset"], space=changes["space"])
    return _validate(_apply({"name": name}, changes), overrides, source=source)


def make_definition(
    *,
    space: str,
    dataset: str = DEFAULT_DATASET,
    name: str | None = None,
    trials: int | None = None,
    epochs: int | None = None,
    sampler: str | None = None,
    pruner: str | None = None,
    warm_start: str | None = None,
    vary: Mapping[str, Sequence[Any]] | None = None,
    seed: int | None = None,
    overrides: Sequence[str] = (),
) -> StudyDefinition:
    """Make a study definition in Python from the settings that are changed most; None keeps a default.

    Args:
        space: Architecture family or import path, as text: workers are processes that import it themselves.
        dataset: Name or path, relative to the current folder.
        name: The study's name. Default: `<dataset>-<space>`.
        trials: The search's budget.
        epochs: Epochs of each trial.
        sampler: A key of `SAMPLERS`.
        pruner: A key of `PRUNERS`.
        warm_start: A study whose best trials are tried first.
        vary: Values to compare with the default one factor at a time, by hyperparameter.
        seed: The study's seed.
        overrides: As in `read_definition`; they replace the other arguments.

    Raises:
        DefinitionError: A value is wrong.
        OverrideError: An override has no `=` or no possible key.
    """
    arguments = {
        "space": _as_import_path(space), "dataset": _as_text(dataset), "name": name, "seed": seed,
        "search.trials": trials, "search.epochs": epochs, "search.sampler": sampler, "search.pruner": pruner,
        "search.warm_start": warm_start,
    }  # fmt: skip
    changes = {key: value for key, value in arguments.items() if value is not None} | vary_factors(vary or {})
    return compose_definition(changes, overrides, source="tuner study create")


def vary_factors(vary: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the changes by which a study compares these values one factor at a time; none without any."""
    factors = {f"search.vary.{name}": list(values) for name, values in vary.items()}
    return {"search.sampler": ONE_FACTOR, **factors} if factors else {}


def _as_import_path(space: Any) -> str:
    if isinstance(space, str):
        return space
    module, name = getattr(space, "__module__", None), getattr(space, "__qualname__", None)
    if module and name and module != "__main__" and "<" not in name:
        advice = f'space="{module}:{name}"'
    else:
        advice = 'a file such as nets.py with it, and space="nets:build"'
    raise DefinitionError(
        f"make_definition received {_describe_object(space)} for space. Expected an architecture family such as 'cnn' "
        f"or the import path of a builder, as text, because workers are processes that import it themselves: {advice}."
    )


def _as_text(dataset: Any) -> str:
    if isinstance(dataset, str):
        return dataset
    if isinstance(dataset, Path):
        # A relative path of one word is not a name in the catalogue.
        return str(dataset.absolute())
    raise DefinitionError(
        f"make_definition received {_describe_object(dataset)} for dataset. Expected a name such as 'digits' or the "
        "path of a folder, CSV or NPZ file, because workers are processes that read it themselves. Save arrays with "
        'numpy.savez("data.npz", x_train=…, y_train=…) and give dataset="data.npz".'
    )


def _describe_object(value: Any) -> str:
    if value is None:
        return "None"
    kind = type(value).__name__
    name = getattr(value, "__qualname__", None)
    return f"a {kind}" if name is None else f"the {kind} {name}"


def _resolve(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes with paths of a dataset and of bundles, relative to the current folder, made absolute."""
    made = {
        key: absolute_place(changes[key], folder=Path())
        for key in ("search.weights_from", "finals.weights_from")
        if isinstance(changes.get(key), str)
    }
    dataset = changes.get("dataset")
    return {**changes, **made, **({"dataset": _absolute(dataset, folder=Path())} if isinstance(dataset, str) else {})}


def _validate(
    settings: Mapping[str, Any], overrides: Sequence[str], *, source: str, changed: Iterable[str] = ()
) -> StudyDefinition:
    """Validate the settings with the overrides in place; an error names where the wrong value comes from."""
    given = parse_overrides(overrides)
    try:
        return StudyDefinition.model_validate(_apply(settings, given))
    except ValidationError as error:
        raise DefinitionError(explain(error, StudyDefinition, source=source, overridden=[*changed, *given])) from error


def _apply(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings, `space` a table in them, with the changes; another space's name leaves the ranges."""
    if isinstance(settings.get("space"), str):
        settings = {**settings, "space": {"name": settings["space"]}}
    named = {
        "space.name" if key == "space" and isinstance(value, str) else key: value for key, value in changes.items()
    }
    return apply_overrides(settings, _resolve(named))


def _drop_defaults(table: dict[str, Any], is_same: Callable[[], bool]) -> None:
    """Remove what may be missing, `is_same` saying so, from the table and those within it."""
    for key, value in list(table.items()):
        before = dict(table)
        del table[key]
        try:
            if is_same():
                continue
        except ValidationError:
            # It has no default, or another setting does not go with it.
            pass
        table.clear()
        # In the old order.
        table.update(before)
        if isinstance(value, dict):
            _drop_defaults(value, is_same)


def absolute_place(place: str, *, folder: Path) -> str:
    """Return a bundle's absolute path, for workers in other folders; a URL stays as it is."""
    return place if "://" in place or not place else str((folder / Path(place)).resolve())


def _absolute(dataset: str, *, folder: Path) -> str:
    """Return an absolute path, for workers in other folders; a word without slash and dot is a catalogue's name."""
    if "/" not in dataset and "." not in dataset:
        return dataset
    try:
        path = Path(dataset).expanduser()
    except RuntimeError:
        # `~name` of an unknown user: the dataset's reader will report that there is no such path.
        path = Path(dataset)
    return str((folder / path).resolve())
