"""`[sharing]`: how a study shares the workers with others. It determines no result, and may change at any time."""

from pydantic import Field

from tuner.setting_tables import Section, shown

#: Bounds of a priority, which databases store in four bytes.
LOWEST_PRIORITY, HIGHEST_PRIORITY = -1_000_000, 1_000_000


class SharingSection(Section):
    """`[sharing]`: which study the next free worker works for."""

    priority: int = Field(
        default=0,
        ge=LOWEST_PRIORITY,
        le=HIGHEST_PRIORITY,
        description="studies of higher priority get workers first, as long as they have trials or jobs that wait",
    )
    weight: float = Field(
        default=1.0,
        gt=0,
        le=1e6,
        description="share of the workers among studies of equal priority: one of weight 2 gets twice as many",
    )
    max_workers: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="largest number of workers that train for the study at the same time",
        json_schema_extra=shown(unit="workers", default="none: no limit"),
    )


def describe_sharing(sharing: SharingSection) -> str:
    """Return its settings in words."""
    most = sharing.max_workers
    limit = "no limit of workers" if most is None else f"at most {most} worker{'s' * (most != 1)}"
    return f"priority {sharing.priority}, weight {sharing.weight:g}, {limit}"


def describe_unequal(sharing: SharingSection) -> str:
    """Return the settings that are not the defaults in words; empty text when all are."""
    words = describe_sharing(sharing).split(", ")
    return ", ".join(word for word in words if word not in describe_sharing(SharingSection()).split(", "))
