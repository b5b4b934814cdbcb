"""The definition of a study: everything that determines its results, written by a person and stored with the study."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from tuner.datasets.formats.file_formats import list_file_formats
from tuner.errors import did_you_mean, shorten
from tuner.objectives import COSTS, Measure, Objective, find_objective
from tuner.plain_values import JSONObject
from tuner.setting_tables import Section, contradiction, shown
from tuner.space_ranges import Scalar, SpaceRange
from tuner.studies.definitions.explanation import explain
from tuner.studies.definitions.files import DefinitionError
from tuner.studies.definitions.naming import check_study_name
from tuner.studies.definitions.other_names import OTHER_NAMES
from tuner.studies.definitions.toml import Table
from tuner.studies.pruners import PRUNERS
from tuner.studies.samplers import SAMPLERS
from tuner.studies.sections.constraints import Constraint, read_constraints
from tuner.studies.sections.data import DataSection
from tuner.studies.sections.finals import FinalsSection
from tuner.studies.sections.finals_defaults import with_finals_in_proportion
from tuner.studies.sections.objectives import direction_of
from tuner.studies.sections.published import PublishedFigure
from tuner.studies.sections.regime import REGIME, inherit_regime
from tuner.studies.sections.search import ONE_FACTOR, SearchSection
from tuner.studies.sections.sharing import SharingSection

#: Characters.
_LONGEST_AUTHOR = 200


def _check_import_path(path: str) -> str:
    module, _, name = path.partition(":")
    if not module or not name:
        raise ValueError("expected package.module:Callback, for example my_callbacks:Tracker")
    return path


def _check_author(author: str) -> str:
    if not author.strip() or not author.isprintable() or len(author) > _LONGEST_AUTHOR:
        raise ValueError(f"expected one line of 1 to {_LONGEST_AUTHOR} characters")
    return author.strip()


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
    author: Annotated[str, AfterValidator(_check_author)] | None = Field(
        default=None,
        description="who made the study: `tuner study show` and the report say it, and nothing else depends on it",
        json_schema_extra=shown(default="not said", allowed="one line of text"),
    )
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
        """Say whether the two give the same study: its author, published numbers and share of workers may differ."""
        return self.determining() == other.determining()

    def determining(self) -> JSONObject:
        """Return the settings that determine a study, as JSON values.

        The budget of one factor at a time follows from the others.
        """
        is_one_factor = self.search.sampler == ONE_FACTOR
        return self.model_dump(
            mode="json",
            exclude={
                "author": True,
                "published": True,
                "sharing": True,
                "search": {"trials"} if is_one_factor else set(),
            },
        )

    def with_budget(self, trials: int) -> Self:
        """Return the definition with this number of trials."""
        return self.model_copy(update={"search": self.search.model_copy(update={"trials": trials})})

    def to_settings(self) -> Table:
        """Return the settings as a person writes them, without those that have their defaults anyway."""
        settings = self.model_dump(mode="json", exclude_none=True)
        same = (self.determining(), self.sharing, self.author)

        def is_same() -> bool:
            read = type(self).model_validate(settings)
            return (read.determining(), read.sharing, read.author) == same

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
    def from_stored(cls, values: JSONObject) -> Self:
        """Read what a study stores of its definition: its values, of JSON's types.

        Raises:
            DefinitionError: As `from_json`.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise DefinitionError(explain(error, cls, source="stored definition")) from error


def _drop_defaults(table: Table, is_same: Callable[[], bool]) -> None:
    """Remove what may be missing, `is_same` saying so, from the table and those within it."""
    for key, value in list(table.items()):
        before = dict(table)
        del table[key]
        if _is_valid_and(is_same):
            continue
        table.clear()
        # In the old order.
        table.update(before)
        if isinstance(value, dict):
            _drop_defaults(value, is_same)


def _is_valid_and(is_same: Callable[[], bool]) -> bool:
    try:
        return is_same()
    except ValidationError:
        # What was removed has no default, or another setting does not go with its default: it must stay.
        return False
