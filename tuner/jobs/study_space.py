"""Open a study's space, and refuse one that has changed since the study was created."""

from collections.abc import Mapping

from tuner.jobs.study_data import DataUnavailableError
from tuner.spaces.registry import open_space
from tuner.spaces.space import Space


class SpaceChangedError(DataUnavailableError):
    """The builder's source has changed since the study was created."""

    def __init__(self, space: Space) -> None:
        files = ", ".join(space.sources) or "no source file"
        super().__init__(
            f"The builder {space.name!r} ({files}) has changed since the study was created. Put the old source back "
            "and start the worker again, or create a new study."
        )


def open_study_space(name: str, provenance: Mapping[str, str]) -> Space:
    """Open a study's space.

    Args:
        name: The definition's space.
        provenance: The study's provenance. If it has no `space_sha256`, as in studies of an older version, every source
            is accepted.

    Raises:
        SpaceChangedError: Its source has changed since the study was created.
        TunerError: The space cannot be opened on this machine.
    """
    space = open_space(name)
    if "space_sha256" in provenance and provenance["space_sha256"] != space.source_sha256:
        raise SpaceChangedError(space)
    return space
