"""A study's space, opened as it was when the study was created."""

from collections.abc import Mapping

from tuner.jobs.study_data import DataUnavailableError
from tuner.spaces.registry import open_space
from tuner.spaces.space import Space


class SpaceChangedError(DataUnavailableError):
    """The builder that this process has imported is another one than the study was created with."""

    def __init__(self, space: Space) -> None:
        files = ", ".join(space.sources) or "no source file"
        super().__init__(
            f"The builder {space.name!r} ({files}) is not the one that the study was created with. Put the old source "
            "back and start the worker again, or create a new study."
        )


def open_study_space(name: str, provenance: Mapping[str, str]) -> Space:
    """Open a study's space.

    Args:
        name: The definition's space.
        provenance: The study's; without `space_sha256`, as studies of an older version have it, anything passes.

    Raises:
        SpaceChangedError: Its source is another one than at the study's creation.
        TunerError: It cannot be opened here.
    """
    space = open_space(name)
    if "space_sha256" in provenance and provenance["space_sha256"] != space.source_sha256:
        raise SpaceChangedError(space)
    return space
