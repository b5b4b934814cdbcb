"""What the finals of a study will train, known before its search has begun."""

from dataclasses import dataclass

from tuner.studies.definition import StudyDefinition


@dataclass(frozen=True, kw_only=True)
class FinalsPlan:
    """Trainings after the search, unless some fail; the ensemble of all retrained models comes last."""

    confirmations: int
    #: Of each confirmation.
    confirmation_epochs: int
    #: With and without augmentation.
    retrainings: int
    #: Of each retraining.
    retraining_epochs: int

    @property
    def n_jobs(self) -> int:
        """All of them, the ensemble included."""
        return self.confirmations + self.retrainings + (1 if self.retrainings else 0)

    def __str__(self) -> str:
        """Return it as people read it."""
        if not self.retrainings:
            return "no finals (finals.top = 0)"
        return (
            f"finals: {_count(self.confirmations, 'confirmation')} of {_count(self.confirmation_epochs, 'epoch')}, "
            f"{_count(self.retrainings, 'retraining')} of {_count(self.retraining_epochs, 'epoch')}, their ensemble"
        )


def plan_finals(definition: StudyDefinition, *, n_candidates: int) -> FinalsPlan:
    """Count what the definition asks for.

    Args:
        definition: The study's.
        n_candidates: Trials that have a score or, before the search, may have one.
    """
    finals = definition.finals
    n_finals = min(finals.top, n_candidates)
    compared = 1 if finals.compare_augmentation and n_finals else 0
    return FinalsPlan(
        confirmations=min(finals.candidates, n_candidates) * finals.confirm_repeats if n_finals else 0,
        confirmation_epochs=finals.confirm_epochs or definition.search.epochs,
        retrainings=(n_finals + compared) * finals.repeats,
        retraining_epochs=finals.epochs,
    )


def describe_plan(definition: StudyDefinition) -> str:
    """Say in one sentence what a study will train from its first trial to its ensemble."""
    search = definition.search
    trials = f"{_count(search.trials, 'trial')} of up to {_count(search.epochs, 'epoch')}"
    return f"{trials}, then {plan_finals(definition, n_candidates=search.trials)}."


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
