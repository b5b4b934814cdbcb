"""A study with its trials as Optuna Dashboard's page expects them, read and written in pieces.

Optuna Dashboard's own code loads every trial as an object: for 10,000 trials of 20 epochs 830 MiB and, the first time,
more than 40 seconds. This module holds one piece of trials at a time and keeps, compressed, the pieces that can no
longer change. A test compares the two responses. The page asks again every few seconds for the trials after those it
has; therefore the first response is short: the page draws the first trials, and its next request fetches the rest.
"""

import json
import math
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution

from tuner.plain_values import JSONObject
from tuner.studies.database.optuna_tables import Attributes
from tuner.studies.database.single_creation import SLOT_ATTRIBUTE
from tuner.studies.database.storage import Storage
from tuner.studies.trial_details import (
    StoredParameter,
    StudyHead,
    TrialDetails,
    read_one_trial,
    read_study_head,
    read_trial_details,
    summarize_trials,
)

#: Trials read at a time.
PIECE = 250
#: Trials in the first response.
FIRST = 250
#: Compressed pieces kept, of about 80 kB each.
_KEPT = 400

#: How people read the attributes that tuner gives to trials.
_WORDS = {SLOT_ATTRIBUTE: "place in the budget (from 0)", "failure": "why it failed"}
_FIXED, _CONSTRAINTS = "fixed_params", "constraints"


@dataclass(kw_only=True)
class StudyDetails:
    """Writes the responses for studies that tuner made; used by several threads."""

    storage: Storage
    #: By the study's identity, the version of its attributes and the first trial's place.
    _kept: OrderedDict[tuple[str, int, int], bytes] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, study_id: int, *, after: int) -> Iterator[bytes] | None:
        """Return the response in pieces of JSON, or None when the study is not one of tuner's.

        Args:
            study_id: Optuna's.
            after: Number of finished trials that the page has; it asks for those that follow.

        Raises:
            DatabaseAwayError: The database is away.
        """
        head = read_study_head(self.storage, study_id)
        if head is None:
            return None
        try:
            return self._begin(head, after=after)
        except KeyError:
            # Raised by Optuna for a study that was deleted meanwhile.
            return None

    def _begin(self, head: StudyHead, *, after: int) -> Iterator[bytes]:
        attributes = self.storage.optuna.get_study_system_attrs(head.optuna_study_id)
        # Short at first, and whole pieces afterwards, which are kept.
        end = min(FIRST, head.n_trials) if after == 0 else head.n_trials
        shown = _Shown(study_id=head.optuna_study_id, uid=head.uid, attributes=_shown_attributes(attributes))
        best = [
            trial
            for trial_id in head.best_trial_ids
            for trial in read_one_trial(self.storage, head.optuna_study_id, trial_id)
        ]
        head_json = {
            **_describe(self.storage, head, shown),
            "best_trials": [_trial(trial, shown) for trial in best],
            # For scripts that read the response; Optuna Dashboard's page ignores it.
            "trials_left": max(0, head.n_trials - max(end, after)),
        }
        return self._write(head_json, shown, after=after, end=end)

    def _write(self, head: JSONObject, shown: "_Shown", *, after: int, end: int) -> Iterator[bytes]:
        yield json.dumps(head).encode()[:-1] + b', "trials": ['
        separator = b""
        while after < end:
            stop = min(end, after - after % PIECE + PIECE)
            piece, after = zlib.decompress(self._compressed(shown, after, stop)), stop
            # Empty where these trials were deleted meanwhile.
            if piece:
                yield separator + piece
                separator = b", "
        yield b"]}"

    def _compressed(self, shown: "_Shown", start: int, stop: int) -> bytes:
        """Return the trials between two places, as JSON without the brackets around them.

        A piece is kept only when places and numbers agree, so that no trial can be inserted into it later.
        """
        key = (shown.uid, shown.version, start)
        whole = start % PIECE == 0 and stop == start + PIECE
        with self._lock:
            if whole and key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        details = read_trial_details(self.storage, shown.study_id, after=start, most=stop - start)
        trials = [_trial(trial, shown) for trial in details]
        piece = zlib.compress(json.dumps(trials).encode()[1:-1], 1)
        is_settled = [trial["number"] for trial in trials] == list(range(start, stop))
        if whole and is_settled and all(trial["state"] not in {"Running", "Waiting"} for trial in trials):
            with self._lock:
                self._kept[key] = piece
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        return piece


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """The study's attributes that appear in the response; notes and files of trials are among them."""

    study_id: int
    uid: str
    attributes: Attributes

    @property
    def version(self) -> int:
        return zlib.crc32(json.dumps(self.attributes, sort_keys=True).encode())


def _describe(storage: Storage, head: StudyHead, shown: _Shown) -> JSONObject:
    """Return everything but the trials."""
    study_id = head.optuna_study_id
    summary = summarize_trials(storage, study_id)
    space = [
        (parameter, {"name": parameter.name, "distribution": _distribution(parameter.distribution)})
        for parameter in summary.parameters
    ]
    return {
        "user_attrs": _attributes(storage.optuna.get_study_user_attrs(study_id)),
        "directions": [direction.name.lower() for direction in storage.optuna.get_study_directions(study_id)],
        "name": head.name,
        # Studies that are older than the name of their metric have it too.
        "objective_names": list(head.value_labels),
        "artifacts": _files(shown, "artifacts:"),
        "intersection_search_space": [described for parameter, described in space if parameter.is_everywhere],
        "union_search_space": [described for _, described in space],
        "union_user_attrs": [
            {"key": _in_words(key), "sortable": sortable} for key, sortable in summary.attributes.items()
        ],
        "has_intermediate_values": summary.has_curves,
        "note": _note(shown, "dashboard:"),
        "is_preferential": False,
        "feedback_component_type": {"output_type": "note"},
        "plotly_graph_objects": _figures(shown),
    }


def _trial(trial: TrialDetails, shown: _Shown) -> JSONObject:
    fixed = trial.system_attributes.get(_FIXED, {})
    described: JSONObject = {
        "trial_id": trial.trial_id,
        "study_id": shown.study_id,
        "number": trial.number,
        "state": trial.state.name.capitalize(),
        "params": [_param(parameter) for parameter in trial.parameters],
        "fixed_params": [{"name": name, "param_external_value": str(value)} for name, value in fixed.items()],
        "user_attrs": _attributes(trial.user_attributes),
        "note": _note(shown, f"dashboard:{trial.trial_id}:"),
        "artifacts": _files(shown, f"dashboard:artifacts:{trial.trial_id}:"),
        "constraints": trial.system_attributes.get(_CONSTRAINTS, []),
        "intermediate_values": [{"step": step, "value": _number(value)} for step, value in trial.curve],
    }
    if trial.values:
        described["values"] = [_number(value) for value in trial.values]
    for key, moment in (("datetime_start", trial.started_at), ("datetime_complete", trial.finished_at)):
        if moment is not None:
            described[key] = moment.isoformat()
    return described


def _param(parameter: StoredParameter) -> JSONObject:
    value = parameter.distribution.to_external_repr(parameter.internal)
    return {
        "name": parameter.name,
        "param_internal_value": parameter.internal,
        "param_external_value": str(value),
        "param_external_pytyp": str(type(value)),
        "distribution": _distribution(parameter.distribution),
    }


def _distribution(distribution: BaseDistribution) -> JSONObject:
    kind = type(distribution).__name__
    if isinstance(distribution, CategoricalDistribution):
        choices = [{"pytype": str(type(choice)), "value": str(choice)} for choice in distribution.choices]
        return {"type": kind, "choices": choices}
    return {"type": kind, **{key: getattr(distribution, key) for key in ("low", "high", "step", "log")}}


def _number(value: float) -> float | str:
    """Return a number as Optuna Dashboard writes it into JSON, which has no infinity and no NaN."""
    return value if math.isfinite(value) else str(value)


def _attributes(attributes: Attributes) -> list[dict[str, str]]:
    longest = 1024
    return [
        {"key": _in_words(key), "value": value if isinstance(value, str) else _short(json.dumps(value), value, longest)}
        for key, value in attributes.items()
    ]


def _in_words(key: str) -> str:
    return _WORDS.get(key, key)


def _short(text: str, value: Any, longest: int) -> str:
    return str(value) if isinstance(value, int | float) else text[:longest]


def _shown_attributes(attributes: Attributes) -> Attributes:
    return {key: value for key, value in attributes.items() if key.startswith(("dashboard:", "artifacts:"))}


def _note(shown: _Shown, prefix: str) -> JSONObject:
    version = shown.attributes.get(f"{prefix}note_ver", 0)
    return {"version": version, "body": _joined(shown, f"{prefix}note_str:") if version else ""}


def _figures(shown: _Shown) -> list[dict[str, str]]:
    prefix = "dashboard:plot_data:"
    names = dict.fromkeys(
        key.removeprefix(prefix).rpartition(":")[0] for key in shown.attributes if key.startswith(prefix)
    )
    return [{"id": name, "graph_object": _joined(shown, f"{prefix}{name}:")} for name in names]


def _joined(shown: _Shown, prefix: str) -> str:
    """Join a text that Optuna Dashboard has split among numbered attributes."""
    numbers = sorted(int(key.removeprefix(prefix)) for key in shown.attributes if key.startswith(prefix))
    return "".join(shown.attributes[f"{prefix}{number}"] for number in numbers)


def _files(shown: _Shown, prefix: str) -> list[Any]:
    found = (json.loads(value) for key, value in shown.attributes.items() if key.startswith(prefix))
    return [file for file in found if file is not None]
