"""How a model is trained, as `[search]` and `[finals]` both say it, and what `[finals]` takes over from `[search]`."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from tuner.setting_tables import SearchableSection, contradiction
from tuner.training_settings import Annealing, Augmentation, Training

#: The tables of `[search]` and `[finals]` that say how a model is trained.
REGIME: Mapping[str, type[SearchableSection]] = {
    "augmentation": Augmentation,
    "annealing": Annealing,
    "training": Training,
}


def refuse_long_warmup(key: str, annealing: Annealing, epochs_key: str, epochs: int) -> None:
    """Raise `contradiction` where the learning rate may rise for as long as the run takes, or longer."""
    longest = max(one.warmup_epochs for one in annealing.possible())
    if longest >= epochs:
        raise contradiction(key, f"received {longest}, expected fewer than {epochs_key} ({epochs})")


def refuse_freezing_nothing(weights_from: str | None, freeze_epochs: int) -> None:
    """Raise `contradiction` where layers are to be frozen and none are taken from another model."""
    if freeze_epochs and weights_from is None:
        raise contradiction("freeze_epochs", f"received {freeze_epochs} without weights_from, whose layers they freeze")


def has_table(settings: Any, name: str) -> bool:
    """Say whether settings that were not validated yet have a table of this name."""
    return isinstance(settings, Mapping) and isinstance(settings.get(name), Mapping)


def without_warmup_in_one_epoch(settings: Any) -> Any:
    """Return a table's settings with no warm-up by default where its runs have one epoch."""
    if isinstance(settings, Mapping) and settings.get("epochs") == 1:
        annealing = settings.get("annealing", {})
        if isinstance(annealing, Mapping):
            return {**settings, "annealing": {"warmup_epochs": 0, **annealing}}
    return settings


def inherit_regime(settings: Any) -> Any:
    """Return a definition's settings with what `[finals]` leaves open of how a model is trained taken from `[search]`.

    A learning-rate rule of the finals' own stands alone, because the settings of one rule are not those of another.
    Early stopping is not passed on to finals that leave no image to measure a score on.
    """
    if not has_table(settings, "search"):
        return settings
    search, finals = settings["search"], settings.get("finals", {})
    if not isinstance(finals, Mapping):
        return settings
    inherited: dict[str, Any] = {}
    for name, table in REGIME.items():
        own = finals.get(name, {})
        if (
            _is_valid(table, search.get(name))
            and isinstance(own, Mapping)
            and not (name == "annealing" and "rule" in own)
        ):
            of_search = dict(search[name])
            if name == "training" and finals.get("train_on") != "train":
                of_search.pop("early_stopping", None)
            inherited[name] = {**of_search, **own}
    if "weights_from" not in finals:
        inherited |= {name: search[name] for name in ("weights_from", "freeze_epochs") if name in search} | (
            {"freeze_epochs": finals["freeze_epochs"]} if "freeze_epochs" in finals else {}
        )
    return {**settings, "finals": {**finals, **inherited}}


def _is_valid(table: type[SearchableSection], written: Any) -> bool:
    if not isinstance(written, Mapping):
        return False
    try:
        table.model_validate(written)
    except ValidationError:
        # The search's own table reports it.
        return False
    return True
