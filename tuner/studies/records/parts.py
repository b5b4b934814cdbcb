"""The parts of a study's work, and what people call them: a trial, a confirmation, a retraining, the ensemble."""

from dataclasses import dataclass

from tuner.plain_values import JSONObject
from tuner.studies.slots.outcomes import EnsembleJob, Job, RetrainJob, SearchJob, Stage
from tuner.training_settings import Augmentation


@dataclass(frozen=True, kw_only=True)
class Part:
    """One piece of a study's work: a trial, a confirmation, a retraining or the ensemble."""

    stage: Stage
    #: None for the ensemble.
    trial: int | None = None
    #: From 1; None for a trial of the search, for the ensemble, and for a training for the curve alone.
    repeat: int | None = None
    #: Of a retraining.
    augmented: bool | None = None
    #: Whether it is a training without the validation images, for its curve alone.
    for_curve: bool = False

    def __str__(self) -> str:
        """Return its name as people read it."""
        if self.stage == "ensemble":
            return "the ensemble"
        if self.stage == "search":
            return f"trial {self.trial}"
        what = "confirmation" if self.stage == "confirm" else "retraining"
        how = {True: " with augmentation", False: " without augmentation", None: ""}[self.augmented]
        which = "for its validation curve" if self.for_curve else f"repeat {self.repeat}"
        return f"{what} of trial {self.trial}{how}, {which}"


def augments(definition: JSONObject) -> bool:
    """Return whether a study's finals change images at all, by its stored definition."""
    changes = definition.get("finals", {}).get("augmentation")
    # Validated when the study was created.
    return changes is not None and not Augmentation.model_construct(**changes).is_off


def part_of(stage: Stage, job: Job, trial_number: int | None, definition: JSONObject) -> Part:
    """Return which piece of work a slot is.

    Args:
        stage: The slot's.
        job: The slot's.
        trial_number: Of a slot of the search; None before it was begun.
        definition: The stored definition of its study.
    """
    if isinstance(job, SearchJob | EnsembleJob):
        return Part(stage=stage, trial=trial_number)
    augmented = job.augmented and augments(definition) if isinstance(job, RetrainJob) else None
    if isinstance(job, RetrainJob) and job.for_curve:
        return Part(stage=stage, trial=job.trial, augmented=augmented, for_curve=True)
    return Part(stage=stage, trial=job.trial, repeat=job.repeat + 1, augmented=augmented)
