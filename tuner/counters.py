"""Counts of what this process does, for Prometheus: nothing is counted until `share_counters` was called."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from prometheus_client import Counter

Counted = Literal["epochs", "images", "lease_renewals", "database_retries", "database_outages"]
#: What each counter, `tuner_NAME_total`, says.
COUNTERS: dict[Counted, str] = {
    "epochs": "Epochs that the workers of this pool have trained.",
    "images": "Training images that these epochs have shown to a model.",
    "lease_renewals": "Renewals of leases that the database has acknowledged.",
    "database_retries": "Calls of the database that were made again because it did not answer.",
    "database_outages": "Times at which a process found that the database had gone away.",
}
#: The variable by which prometheus-client finds the folder that the processes of a pool share.
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

_counters: "dict[Counted, Counter]" = {}


def share_counters(name: str) -> None:
    """Count from now on, in a file of the shared folder.

    Args:
        name: Of the file. A later process of the same name goes on with its counts, so that they never fall and a
            worker's successors need no file of their own. Two processes at a time must not have the same.
    """
    from prometheus_client import Counter, values

    values.ValueClass = values.MultiProcessValue(process_identifier=lambda: name)  # type: ignore[no-untyped-call]
    _counters.update({key: Counter(f"tuner_{key}", text, registry=None) for key, text in COUNTERS.items()})


def count(what: Counted, amount: int = 1) -> None:
    """Add to a counter, where they are shared."""
    counter = _counters.get(what)
    if counter is not None:
        counter.inc(amount)
