"""How commands speak: JSON alone on stdout, everything for people through these few formats."""

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


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


def format_percent(fraction: float | None, *, decimals: int = 2) -> str:
    """Write a fraction in [0, 1] as `99.12 %`; nothing measured is `-`."""
    return "-" if fraction is None else f"{100 * fraction:.{decimals}f} %"


def format_duration(duration_s: float | None) -> str:
    """Write seconds as `0.4 s`, `42 s`, `3 min 05 s`, `2 h 07 min` or `3 d 04 h`; nothing measured is `-`."""
    if duration_s is None:
        return "-"
    if duration_s < 9.95:  # noqa: PLR2004 - from here on it would round to two digits
        return f"{duration_s:.1f} s"
    seconds = round(duration_s)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if minutes == 0:
        return f"{seconds} s"
    if hours == 0:
        return f"{minutes} min {seconds % 60:02} s"
    if days == 0:
        return f"{hours} h {minutes % 60:02} min"
    return f"{days} d {hours % 24:02} h"
