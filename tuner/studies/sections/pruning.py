"""`[search.pruning]`: when trials are stopped early."""

from typing import Literal

from pydantic import Field

from tuner.setting_tables import Section, shown

#: What trials have less of before the first decisions of a pruner.
Resource = Literal["epochs", "images"]
#: Pruners whose decisions divide a trial into parts.
WITH_RUNGS = ("asha", "hyperband")


class PruningSettings(Section):
    """`[search.pruning]`: each pruner reads its own settings and ignores the others.

    With `data.folds` a trial is compared with others after each fold instead of each epoch.
    """

    resource: Resource = Field(
        default="epochs",
        description="asha, hyperband: what is saved; with images, the first epochs show a part of the training images",
    )
    min_resource: int = Field(
        default=1,
        ge=1,
        description="asha, hyperband: epochs, or folds, before the first decision",
        json_schema_extra=shown(unit="epochs or folds"),
    )
    reduction_factor: int = Field(
        default=3,
        ge=2,
        description="asha, hyperband: one in this many trials continues after each decision",
    )
    startup_trials: int = Field(
        default=5,
        ge=0,
        description="median, percentile, patient: number of complete trials before any trial is pruned",
        json_schema_extra=shown(unit="trials"),
    )
    warmup_epochs: int = Field(
        default=0,
        ge=0,
        description="median, percentile, patient: epochs, or folds, at the start of a trial in which it is not pruned",
        json_schema_extra=shown(unit="epochs or folds"),
    )
    percentile: float = Field(
        default=25.0,
        ge=0,
        le=100,
        description="percentile: a trial continues if it is among this share of the complete trials, the best ones",
        json_schema_extra=shown(unit="%"),
    )
    patience: int = Field(
        default=3,
        ge=0,
        description="patient: epochs without a better score before a trial may be pruned",
        json_schema_extra=shown(unit="epochs"),
    )
