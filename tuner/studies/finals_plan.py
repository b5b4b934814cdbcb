"""The trainings of a study's finals, known before its search begins."""

from dataclasses import dataclass

from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.sections.search import ONE_FACTOR


@dataclass(frozen=True, kw_only=True)
class FinalsPlan:
    """The numbers of trainings after the search, if none fails; the ensemble of the retrained models comes last."""

    confirmations: int
    #: Epochs of each confirmation, those of all its folds together.
    confirmation_epochs: int
    #: Number of retrainings, with and without augmentation, and for validation curves.
    retrainings: int
    #: Epochs of each retraining.
    retraining_epochs: int
    #: Folds of each confirmation; None in a study without folds.
    folds: int | None = None

    @property
    def n_jobs(self) -> int:
        """Number of all jobs, including the ensemble."""
        return self.confirmations + self.retrainings + (1 if self.retrainings else 0)

    def __str__(self) -> str:
        """Return a description for people."""
        if not self.retrainings:
            return "no finals (finals.top = 0)"
        return (
            f"finals: {_count(self.confirmations, 'confirmation')} of "
            f"{_count_epochs(self.confirmation_epochs // (self.folds or 1), self.folds)}, "
            f"{_count(self.retrainings, 'retraining')} of {_count(self.retraining_epochs, 'epoch')}, their ensemble"
        )


def plan_finals(definition: StudyDefinition, *, n_candidates: int) -> FinalsPlan:
    """Count the trainings that the definition asks for.

    Args:
        definition: The study's definition.
        n_candidates: Number of trials that have a score or, before the search, may have one.
    """
    finals = definition.finals
    n_finals = min(finals.top, n_candidates)
    compared = 1 if finals.compare_augmentation and n_finals and not finals.augmentation.is_off else 0
    curves = n_finals if finals.draws_validation_curves else 0
    return FinalsPlan(
        confirmations=min(finals.candidates, n_candidates) * finals.confirm_repeats if n_finals else 0,
        confirmation_epochs=(finals.confirm_epochs or definition.search.epochs) * (definition.data.folds or 1),
        retrainings=(n_finals + compared) * finals.repeats + curves,
        retraining_epochs=finals.epochs,
        folds=definition.data.folds,
    )


def describe_plan(definition: StudyDefinition) -> str:
    """Return one sentence on what a study will train, from its first trial to its ensemble."""
    search = definition.search
    trials = f"{_count(search.trials, 'trial')} of up to {_count_epochs(search.epochs, definition.data.folds)}"
    if search.sampler == ONE_FACTOR:
        n_configurations = search.trials // search.repeats
        trials += f" ({_count(n_configurations, 'configuration')} with {_count(search.repeats, 'seed')} each)"
    return f"{trials}, then {plan_finals(definition, n_candidates=search.trials)}."


def _count_epochs(epochs: int, folds: int | None) -> str:
    of_one = _count(epochs, "epoch")
    return f"{_count(folds, 'fold')} of {of_one}" if folds else of_one


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
