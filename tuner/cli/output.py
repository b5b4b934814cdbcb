"""What commands print: JSON alone on stdout, numbers for people as the report writes them."""

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tuner.report.wording import duration, percent, plain

if TYPE_CHECKING:
    from rich.console import Console

    from tuner.objectives import Objective


def open_console() -> "Console":
    """Return a console on stdout, for tables that are the command's answer."""
    from rich.console import Console

    return Console()


def open_progress_console() -> "Console":
    """Return a console on stderr, for progress and remarks: stdout belongs to the answer."""
    from rich.console import Console

    return Console(stderr=True)


def print_json(value: Any) -> None:
    """Print the value, made of JSON's types, on stdout."""
    # ASCII only: file names that are no valid UTF-8 and terminals in any locale get through.
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False) + "\n")


def print_warnings(warnings: Iterable[str]) -> None:
    """Print warnings on stderr, one a line."""
    for warning in warnings:
        sys.stderr.write(f"Warning: {warning}\n")


def format_percent(fraction: float | None, *, digits: int = 2) -> str:
    """Write a fraction in [0, 1] as the report does, with plain spaces; nothing measured is `-`."""
    return plain(percent(fraction, digits=digits))


def format_score(score: float | None, objective: "Objective", *, digits: int | None = None) -> str:
    """Write a score as `Objective.format` does, with plain spaces; nothing measured is `-`."""
    return plain(objective.format(score, digits=digits))


def format_duration(duration_s: float | None) -> str:
    """Write seconds as the report does, with plain spaces; nothing measured is `-`."""
    return plain(duration(duration_s))
