"""Sentences on a search and finals that ended before they had done all that they were asked for."""

from collections.abc import Mapping
from typing import Any

from tuner.studies.records.study import StudyRecord
from tuner.studies.sections.durations import describe_duration


def describe_search_end(record: StudyRecord) -> str | None:
    """Return a sentence on a search that ended before its budget, which stays as it was; None for others."""
    search = record.definition.get("search", {})
    after = f"after {len(record.trials)} of its budget of {record.budget} trials"
    if record.search_ended == "timeout":
        return f"The search ended {after}: its time was over ({_limit('search', search)})."
    if record.search_ended == "patience":
        n = search.get("patience")
        brought = "no new point of the front" if record.others else "no better one"
        return f"The search ended {after}: the last {n} trials brought {brought} (search.patience = {n})."
    if record.state not in {"finals", "done"} or len(record.trials) >= record.budget:
        return None
    return f"The search was ended early, {after}, by `tuner finals {record.name}`."


def describe_finals_end(record: StudyRecord) -> str | None:
    """Return a sentence on finals whose time was over; None for others."""
    if record.finals_ended is None:
        return None
    limit = _limit("finals", record.definition.get("finals", {}))
    return (
        f"The finals ended with what was trained: their time was over ({limit}). `tuner finals {record.name}` goes on."
    )


def describe_ends(record: StudyRecord) -> list[str]:
    """Return both sentences, as far as there are any."""
    return [sentence for sentence in (describe_search_end(record), describe_finals_end(record)) if sentence]


def _limit(table: str, settings: Mapping[str, Any]) -> str:
    return f"{table}.timeout = {describe_duration(settings.get('timeout') or 0.0)}"
