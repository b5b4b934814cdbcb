"""What `[finals]` leaves open, in proportion to the search: a search of minutes is not followed by hours of finals."""

from collections.abc import Mapping
from typing import Any

from tuner.studies.sections.finals import FinalsSection
from tuner.studies.sections.search import SearchSection

#: Trials for each final, and for each candidate, up to the numbers of a search of 15 trials or more.
_TRIALS_PER_FINAL, _MOST_FINALS = 5, 3
_TRIALS_PER_CANDIDATE, _MOST_CANDIDATES = 3, 5
#: Retrained models see augmented images, for which they need up to twice the epochs of a trial.
_EPOCHS_PER_EPOCH = 2
#: Trials from which the best configuration is retrained without augmentation too, which costs as much as a final.
_FEWEST_TO_COMPARE = 20


def with_finals_in_proportion(settings: Any) -> Any:
    """Return a definition's settings with the number and length of its finals, where it does not say them.

    From 5 trials on, finals then train at most twice as many epochs as the trials of the search can have, see
    `docs/decisions/0030-finals-in-proportion.md`. A search of 20 trials of 10 to 20 epochs has the defaults of the
    fields themselves, or more epochs.

    Args:
        settings: As a person wrote them; wrong values are left for their own tables to report.
    """
    if not isinstance(settings, Mapping):
        return settings
    search, finals = settings.get("search", {}), settings.get("finals", {})
    if not isinstance(search, Mapping) or not isinstance(finals, Mapping):
        return settings
    trials, epochs = (search.get(key, SearchSection.model_fields[key].default) for key in ("trials", "epochs"))
    if not (_is_count(trials) and _is_count(epochs)):
        return settings
    defaults: dict[str, Any] = {
        "top": _limited(trials // _TRIALS_PER_FINAL, most=_MOST_FINALS),
        "epochs": _epochs_of_finals(epochs, search, finals),
        "compare_augmentation": trials >= _FEWEST_TO_COMPARE,
    }
    top = finals.get("top", defaults["top"])
    if isinstance(top, int):
        defaults["candidates"] = max(top, _limited(trials // _TRIALS_PER_CANDIDATE, most=_MOST_CANDIDATES))
    return {**settings, "finals": {**defaults, **finals}}


def _epochs_of_finals(epochs: int, search: Mapping[str, Any], finals: Mapping[str, Any]) -> int:
    usual: int = FinalsSection.model_fields["epochs"].default
    if any(_sets_warmup(section) for section in (search, finals)):
        # It was chosen for a number of epochs, which no default may undercut.
        return max(epochs, usual)
    return max(epochs, min(usual, _EPOCHS_PER_EPOCH * epochs))


def _sets_warmup(section: Mapping[str, Any]) -> bool:
    annealing = section.get("annealing")
    return isinstance(annealing, Mapping) and "warmup_epochs" in annealing


def _limited(number: int, *, most: int) -> int:
    return min(max(number, 1), most)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
