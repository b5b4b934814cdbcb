"""How a configuration is trained: the tables of its study, and what the search draws of them.

A setting of `[search.augmentation]`, `[search.annealing]` or `[search.training]` that is a range is a hyperparameter
like those of the space, named `augmentation.rotation`: it is drawn, stored and shown as they are, and confirmations and
finals train with the configuration's own value.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import keras_tuner

from tuner.datasets.images import ImageFormat
from tuner.plain_values import Hyperparameters
from tuner.setting_tables import Range, SearchableSection
from tuner.spaces.space import Space
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.records.fidelity import FEWEST_IMAGES, image_shares
from tuner.studies.sections.regime import REGIME
from tuner.training.image_parts import ImageParts
from tuner.training.plan import TrainingPlan
from tuner.training_settings import Annealing, Augmentation, Training


@dataclass(frozen=True, kw_only=True)
class Regime:
    """The tables by which a study trains, ranges included; without any, as the space has it."""

    augmentation: Augmentation | None = None
    annealing: Annealing | None = None
    training: Training = field(default_factory=Training)

    def settle(self, plan: TrainingPlan, values: Hyperparameters) -> TrainingPlan:
        """Return the plan with these tables, each range replaced by the configuration's value."""
        annealing = self._settle("annealing", values)
        return replace(
            plan,
            augmentation=self._settle("augmentation", values),
            annealing=None if annealing is None or annealing.rule == "none" else annealing,
            training=self._settle("training", values),
        )

    def settle_augmentation(self, values: Hyperparameters) -> Augmentation | None:
        """Return the augmentation, each range replaced by the configuration's value."""
        settled: Augmentation | None = self._settle("augmentation", values)
        return settled

    def without_warmup(self) -> "Regime":
        """Return the regime for runs of an epoch or two."""
        if self.annealing is None:
            return self
        written = self.annealing.model_dump(exclude={"warmup_epochs"})
        return replace(self, annealing=Annealing.model_validate({**written, "warmup_epochs": 0}))

    def ask(self, hp: keras_tuner.HyperParameters) -> None:
        """Ask for each range."""
        for name, table in self._tables():
            for key, drawn in table.ranges.items():
                _ask(hp, f"{name}.{key}", drawn, REGIME[name].model_fields[key])

    def help(self) -> dict[str, str]:
        """Return what each range is for, by the name of its hyperparameter."""
        return {
            f"{name}.{key}": REGIME[name].model_fields[key].description or ""
            for name, table in self._tables()
            for key in table.ranges
        }

    def _tables(self) -> Iterator[tuple[str, SearchableSection]]:
        for name in REGIME:
            table: SearchableSection | None = getattr(self, name)
            if table is not None:
                yield name, table

    def _settle(self, name: str, values: Hyperparameters) -> Any:
        table: SearchableSection | None = getattr(self, name)
        return table and table.settle({key: values[f"{name}.{key}"] for key in table.ranges})


def plan_trial(definition: StudyDefinition, *, seed: int) -> TrainingPlan:
    """Return how a trial of the search with this seed is trained, but for what its regime adds.

    All epochs are planned, even if the last ones will not be trained: a schedule of the model may depend on them.
    """
    shares = image_shares(definition.search)
    return TrainingPlan(
        epochs=definition.search.epochs,
        seed=seed,
        batch_size=definition.search.batch_size,
        labels=definition.data.labels,
        # The study's own seed: all of its trials see the same part.
        parts=ImageParts(seed=definition.seed, shares=shares, fewest=FEWEST_IMAGES) if shares else None,
    )


def search_regime(definition: StudyDefinition) -> Regime:
    """Return how trials and confirmations are trained."""
    search = definition.search
    return Regime(augmentation=search.augmentation, annealing=search.annealing, training=search.training)


def finals_regime(definition: StudyDefinition, *, augmented: bool = True) -> Regime:
    """Return how finals are trained."""
    finals = definition.finals
    return Regime(
        augmentation=finals.augmentation if augmented else None, annealing=finals.annealing, training=finals.training
    )


def asking_regime(space: Space, definition: StudyDefinition) -> Space:
    """Return the space with the search's ranges among its hyperparameters, asked before those of its builder."""
    regime = search_regime(definition)

    def build(hp: keras_tuner.HyperParameters, images: ImageFormat) -> keras.Model:
        regime.ask(hp)
        return space.build(hp, images)

    return replace(space, build=build, help={**regime.help(), **space.help})


def _ask(hp: keras_tuner.HyperParameters, name: str, drawn: Range, setting: Any) -> None:
    """Ask for a setting, with the default that it has outside of a search where the range has it."""
    number = setting.annotation if setting.annotation in (int, float) else None
    default = setting.default
    if drawn.values:
        values = [number(value) if number else value for value in drawn.values]
        hp.Choice(name, values, default=default if default in values else values[0])
        return
    low, high = drawn.ends
    ask, convert = (hp.Int, int) if number is int else (hp.Float, float)
    ask(
        name,
        convert(low),
        convert(high),
        step=None if drawn.step is None else convert(drawn.step),
        sampling="log" if drawn.log else "linear",
        default=default if isinstance(default, int | float) and low <= default <= high else convert(low),
    )
