"""`[[published]]`: numbers that others have published for the same work."""

from typing import Literal

from pydantic import Field

from tuner.setting_tables import Section, shown


class PublishedFigure(Section):
    """`[[published]]`: a number that others have published for this work; the report shows it beside the study's own.

    It determines nothing: a study is the same with and without it.
    """

    name: str = Field(min_length=1, description="what was measured, such as accuracy on the test set")
    value: float = Field(
        ge=0, le=1, description="the accuracy as it was published", json_schema_extra=shown(unit="fraction")
    )
    corrected: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="the accuracy that the publication's own data support, if they do not support the published one",
        json_schema_extra=shown(unit="fraction", default="none"),
    )
    beside: Literal["test", "test without augmentation", "validation", "train"] = Field(
        default="test", description="which of the study's own accuracies the report shows beside it"
    )
    protocol: str = Field(min_length=1, description="how it was measured: images, epochs, what was chosen by them")
    source: str = Field(min_length=1, description="where it was published")
    note: str = Field(
        default="",
        description="what is wrong or unknown about the published number",
        json_schema_extra=shown(default="none"),
    )
