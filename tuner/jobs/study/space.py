"""Open a study's space, and refuse one that has changed since the study was created."""

from collections.abc import Mapping
from dataclasses import replace

import keras
import keras_tuner

from tuner.datasets.images import ImageFormat
from tuner.image_ranges import mark_range
from tuner.jobs.study.data import DataUnavailableError
from tuner.spaces.registry import open_space
from tuner.spaces.space import Space
from tuner.studies.definitions.definition import StudyDefinition


class SpaceChangedError(DataUnavailableError):
    """The builder's source has changed since the study was created."""

    def __init__(self, space: Space) -> None:
        files = ", ".join(space.sources) or "no source file"
        super().__init__(
            f"The builder {space.name!r} ({files}) has changed since the study was created. Put the old source back "
            "and start the worker again, or create a new study."
        )


def open_definition_space(definition: StudyDefinition) -> Space:
    """Open the space of a new definition, whose models take images in its range.

    Raises:
        TunerError: As in `open_space`.
    """
    space = open_space(definition.space)

    def build(hp: keras_tuner.HyperParameters, images: ImageFormat) -> keras.Model:
        model = space.build(hp, images)
        mark_range(model, definition.data.images)
        return model

    return replace(space, build=build)


def open_study_space(definition: StudyDefinition, provenance: Mapping[str, str]) -> Space:
    """Open a study's space, whose models take images in the study's range.

    Args:
        definition: The study's.
        provenance: The study's provenance. If it has no `space_sha256`, as in studies of an older version, every source
            is accepted.

    Raises:
        SpaceChangedError: Its source has changed since the study was created.
        TunerError: The space cannot be opened on this machine.
    """
    space = open_definition_space(definition)
    if "space_sha256" in provenance and provenance["space_sha256"] != space.source_sha256:
        raise SpaceChangedError(space)
    return space
