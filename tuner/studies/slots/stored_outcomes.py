"""Jobs, outcomes and curves as the database holds them.

They are JSON whose keys are the names of the fields, except for the curve, which has a column of its own. Only this
module knows that JSON. A field that has its default is left out, and what an older version did not write reads as the
default; a key that this version does not know is ignored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, fields, is_dataclass
from typing import Any, Literal, overload

from tuner.epochs import Epoch
from tuner.objectives import Objective
from tuner.plain_values import JSONObject
from tuner.studies.database.texts import make_storable, read_number
from tuner.studies.slots.outcomes import (
    OUTCOMES,
    ConfirmJob,
    ConfirmOutcome,
    Curve,
    EnsembleJob,
    EnsembleOutcome,
    Failure,
    FoldResult,
    Job,
    Outcome,
    RetrainJob,
    RetrainOutcome,
    SearchJob,
    SearchOutcome,
    Stage,
)

_JOBS: Mapping[Stage, type[Job]] = {
    "search": SearchJob,
    "confirm": ConfirmJob,
    "retrain": RetrainJob,
    "ensemble": EnsembleJob,
}

#: Fields of jobs, outcomes and folds that may be NaN or infinite.
_NUMBERS = {"score", "val_accuracy", "test_accuracy", "test_score", "val_accuracy_mean"}
#: Fields of outcomes whose values may be.
_MAPPINGS = {"others", "test_others"}


@overload
def read_job(stage: Literal["search"], stored: JSONObject) -> SearchJob: ...
@overload
def read_job(stage: Literal["confirm"], stored: JSONObject) -> ConfirmJob: ...
@overload
def read_job(stage: Literal["retrain"], stored: JSONObject) -> RetrainJob: ...
@overload
def read_job(stage: Literal["ensemble"], stored: JSONObject) -> EnsembleJob: ...
@overload
def read_job(stage: Stage, stored: JSONObject) -> Job: ...
def read_job(stage: Stage, stored: JSONObject) -> Job:
    """Return the job that a slot of this stage stores."""
    kind = _JOBS[stage]
    values = _known(kind, stored)
    if kind is EnsembleJob:
        values["slots"] = tuple(values["slots"])
    return kind(**values)


@overload
def read_outcome(stage: Literal["search"], stored: JSONObject, curve: Curve = ()) -> SearchOutcome: ...
@overload
def read_outcome(stage: Literal["confirm"], stored: JSONObject, curve: Curve = ()) -> ConfirmOutcome: ...
@overload
def read_outcome(stage: Literal["retrain"], stored: JSONObject, curve: Curve = ()) -> RetrainOutcome: ...
@overload
def read_outcome(stage: Literal["ensemble"], stored: JSONObject, curve: Curve = ()) -> EnsembleOutcome: ...
@overload
def read_outcome(stage: Stage, stored: JSONObject, curve: Curve = ()) -> Outcome: ...
def read_outcome(stage: Stage, stored: JSONObject, curve: Curve = ()) -> Outcome:
    """Return the outcome that a slot of this stage stores, with its curve unless that was not read."""
    kind = OUTCOMES[stage]
    values = _known(kind, stored)
    failure = stored.get("failure")
    values["failure"] = Failure(**_known(Failure, failure)) if failure else None
    values["notes"] = tuple(stored.get("notes") or ())
    if "folds" in values:
        values["folds"] = tuple(map(_read_fold, values["folds"]))
    values.setdefault("state", "failed" if failure else "complete")
    values |= {name: _read_numbers(values[name]) for name in _MAPPINGS & values.keys()}
    if curve:
        values["curve"] = curve
    return kind(**values)


def read_curve(stored: Sequence[JSONObject] | None) -> Curve:
    """Return the epochs of a stored curve; none of a slot that has not ended or trains nothing."""
    return tuple(_read_epoch(epoch) for epoch in stored or ())


def _read_epoch(stored: JSONObject) -> Epoch:
    if str in map(type, stored.values()):
        stored = {name: read_number(value) if isinstance(value, str) else value for name, value in stored.items()}
    if stored.get("others"):
        stored = {**stored, "others": _read_numbers(stored["others"])}
    return Epoch(**stored)


def _read_fold(stored: JSONObject) -> FoldResult:
    return FoldResult(**{**_known(FoldResult, stored), "others": _read_numbers(stored.get("others") or {})})


def _read_numbers(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {name: read_number(value) for name, value in stored.items()}


def read_scores(stored: Sequence[JSONObject] | None, objective: Objective) -> Curve:
    """Return the epochs of a stored curve with their scores alone, which take a third of the memory."""
    return tuple(objective.only_score(one["epoch"], read_number(one.get(objective.field))) for one in stored or ())


def to_json(value: Job | Outcome) -> JSONObject:
    """Return what the database holds of a job, or of an outcome beside its curve.

    Characters and numbers that a database cannot keep are written as others, see `texts`.
    """
    stored = {}
    for name, default in _DEFAULTS[type(value)].items():
        found = getattr(value, name)
        if found != default and name != "curve":
            stored[name] = _to_plain(found)
    storable: JSONObject = make_storable(stored)
    return storable


def _to_plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, tuple):
        return [_to_plain(one) for one in value]
    return dict(value) if isinstance(value, Mapping) else value


def curve_to_json(outcome: Outcome) -> list[JSONObject] | None:
    """Return what the database holds of an outcome's curve; None for an ensemble, which trains nothing."""
    return None if isinstance(outcome, EnsembleOutcome) else [make_storable(asdict(epoch)) for epoch in outcome.curve]


def _known(kind: type, stored: JSONObject) -> dict[str, Any]:
    """Return what is stored of the fields that this version knows."""
    known = {name: stored[name] for name in _DEFAULTS[kind] if name in stored}
    return known | {name: read_number(known[name]) for name in _NUMBERS & known.keys()}


def _defaults_of(kind: type) -> dict[str, Any]:
    """Return the default of each field; `MISSING` where there is none."""
    return {one.name: one.default if one.default_factory is MISSING else one.default_factory() for one in fields(kind)}


_DEFAULTS: Mapping[type, Mapping[str, Any]] = {
    kind: _defaults_of(kind) for kind in (*_JOBS.values(), *OUTCOMES.values(), Failure, FoldResult)
}
