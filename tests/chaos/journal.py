"""What happened, noted outside of the database: one append-only file of JSON lines for each process.

Times are the machine's monotonic clock, which all its processes share.
"""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: The harness' own file, beside one for each worker.
HARNESS = "harness"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line."""

    at: float
    #: A worker's id, or `HARNESS`.
    who: str
    event: str
    fields: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]


class Journal:
    """Appends; a line is there whole before the call returns, whatever becomes of the process."""

    def __init__(self, folder: Path, who: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._who = who
        self._file = os.open(folder / f"{who}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def note(self, event: str, **fields: Any) -> None:
        """Append one line."""
        line = {"at": time.monotonic(), "who": self._who, "event": event, **fields}
        os.write(self._file, json.dumps(line).encode() + b"\n")


def read_journals(folder: Path) -> list[Entry]:
    """Return the lines of all processes in the order of their times."""
    entries = [_parse(line) for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]
    return sorted(entries, key=lambda entry: entry.at)


def read_journal(folder: Path, who: str) -> list[Entry]:
    """Return the lines of one process; none when it has not begun."""
    path = folder / f"{who}.jsonl"
    # A line that is being written has no end yet.
    return [_parse(line) for line in path.read_text().split("\n")[:-1]] if path.exists() else []


def count_events(entries: Sequence[Entry], *events: str) -> int:
    """Return how many entries are of one of these events."""
    return sum(entry.event in events for entry in entries)


def _parse(line: str) -> Entry:
    fields = json.loads(line)
    return Entry(at=fields.pop("at"), who=fields.pop("who"), event=fields.pop("event"), fields=fields)
