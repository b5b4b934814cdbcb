"""The program of the last population and how many members it trains at once, for the next one of equal structure."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tuner.datasets.images import LabelledImages
from tuner.training.free_numbers import augmentation_alike, numbers_alike
from tuner.training.populations.widths import WidthChoice
from tuner.training.programs import open_population, to_pool, to_program_images
from tuner.training.programs.cache import ProgramConstants, read_constants, shapes_of
from tuner.training.programs.interface import ProgramImages
from tuner.training.run import TrainingRun

if TYPE_CHECKING:
    from tuner.training.programs.population import Population


@dataclass(kw_only=True, eq=False)
class _Cached:
    program: "Population"
    constants: ProgramConstants
    shapes: list[tuple[int, ...] | None]
    #: The very images that it holds.
    images: list[LabelledImages | None]
    #: What a choice has found, and among how many.
    width: int | None = None
    most: int = 0
    #: Epochs of members so far: as many may follow, for which compiling another program may pay.
    n_epochs: int = 0


class PopulationCache:
    """Holds one program, as a process trains one population at a time."""

    def __init__(self) -> None:
        self._last: _Cached | None = None

    def clear(self) -> None:
        """Free the memory that the last population takes."""
        self._last = None
        gc.collect()

    @contextmanager
    def open(
        self, runs: Sequence[TrainingRun], pool: LabelledImages | None, choice: WidthChoice
    ) -> Iterator["Population"]:
        """Yield the last population's program where it serves these runs too, else a new one.

        Args:
            runs: Of equal structure; none is finished.
            pool: As in `open_population`.
            choice: Takes what was found before, and is remembered.
        """
        first = runs[0]
        images: list[LabelledImages | None] = [pool] if pool is not None else [first.data.train, first.data.validation]
        with numbers_alike(first.model):
            constants = read_constants(first.model, first.data, first.plan, with_answers=first.wants_answers)
        augmentation = first.plan.augmentation
        constants = replace(constants, augmentation=augmentation and augmentation_alike(augmentation))
        shapes = [*map(shapes_of, images), shapes_of(first.data.train), shapes_of(first.data.validation)]
        found = self._last
        if found is None or (found.constants, found.shapes) != (constants, shapes):
            # Before the next one takes memory.
            self._last = found = None
            program = open_population(
                [run.model for run in runs],
                first.data,
                first.plan,
                pool=pool,
                xla_epoch=constants.xla_epoch,
                with_answers=constants.with_answers,
            )
            self._last = found = _Cached(program=program, constants=constants, shapes=shapes, images=images)
        else:
            if any(now is not before for now, before in zip(images, found.images, strict=True)):
                found.program.take_images(_to_images(first, pool))
                found.images = images
            found.program.take_models([run.model for run in runs])
        choice.n_epochs_before = found.n_epochs
        if (
            found.width is not None
            and not choice.is_settled
            and (found.width < found.most or choice.most <= found.most)
        ):
            choice.take(found.width)
        is_open = not choice.is_settled
        try:
            yield found.program
        finally:
            found.program.take_models([])
            found.n_epochs += choice.n_epochs
            if is_open and choice.is_found:
                found.width, found.most = choice.width, choice.most


def _to_images(run: TrainingRun, pool: LabelledImages | None) -> ProgramImages:
    labels = run.plan.settled_labels
    return to_program_images(run.data, labels, class_weight=None) if pool is None else to_pool(pool, labels)


#: The program of the last population that this process trained, unless `train_population` is given another cache.
POPULATIONS = PopulationCache()
