"""A study with its trials as Optuna Dashboard's page wants it, read and written piece by piece.

Optuna Dashboard's own answer holds every trial as an object: for 10,000 trials of 20 epochs 830 MiB and, at the first
time, more than 40 seconds. This one holds a piece of trials at a time and remembers, compressed, those that can no
longer change. A test compares the two. The page asks again every few seconds for what follows the trials it has, so
that its first answer may be short: it paints with the first trials, and the others come with its next question.
"""

import json
import math
import threading
import zlib
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from optuna.distributions import BaseDistribution, CategoricalDistribution, json_to_distribution
from optuna.storages._rdb import models
from optuna.trial import TrialState

from tuner.studies.schema import studies
from tuner.studies.storage import Storage

#: Trials read at a time.
PIECE = 250
#: Trials in the first answer.
FIRST = 250
#: Pieces remembered, of about 80 kB each.
_KEPT = 400

_TRIALS, _VALUES = models.TrialModel.__table__, models.TrialValueModel.__table__
_PARAMS, _CURVES = models.TrialParamModel.__table__, models.TrialIntermediateValueModel.__table__
_USER, _SYSTEM = models.TrialUserAttributeModel.__table__, models.TrialSystemAttributeModel.__table__
_FIXED, _CONSTRAINTS = "fixed_params", "constraints"


@dataclass(kw_only=True)
class StudyDetails:
    """Answers for the studies that tuner made; used by several threads."""

    storage: Storage
    #: By the study's identity, the version of its attributes and the first trial's place.
    _kept: OrderedDict[tuple[str, int, int], bytes] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, study_id: int, *, after: int) -> Iterator[bytes] | None:
        """Return the answer in pieces of JSON, or None when the study is not one of tuner's.

        Args:
            study_id: Optuna's.
            after: How many trials the page has that will not change any more; it wants those that follow.

        Raises:
            DBAPIError: The database is away.
        """
        head = _read_head(self.storage, study_id)
        if head is None:
            return None
        try:
            return self._begin(head, after=after)
        except KeyError:
            # Optuna's, for a study that was deleted meanwhile.
            return None

    def _begin(self, head: "_Head", *, after: int) -> Iterator[bytes]:
        attributes = self.storage.optuna.get_study_system_attrs(head.study_id)
        # Short at first, and whole pieces afterwards, which are remembered.
        end = min(FIRST, head.n_trials) if after == 0 else head.n_trials
        shown = _Shown(study_id=head.study_id, uid=head.uid, attributes=_shown_attributes(attributes))
        head_json = {
            **_describe(self.storage, head, shown),
            "best_trials": [] if head.best is None else self._read(shown, _TRIALS.c.trial_id == head.best),
            # Optuna Dashboard's page does not know this; a script that reads the answer does.
            "trials_left": max(0, head.n_trials - max(end, after)),
        }
        return self._write(head_json, shown, after=after, end=end)

    def _write(self, head: Mapping[str, Any], shown: "_Shown", *, after: int, end: int) -> Iterator[bytes]:
        yield json.dumps(head).encode()[:-1] + b', "trials": ['
        separator = b""
        while after < end:
            stop = min(end, after - after % PIECE + PIECE)
            piece, after = zlib.decompress(self._compressed(shown, after, stop)), stop
            # Without trials where these were deleted meanwhile.
            if piece:
                yield separator + piece
                separator = b", "
        yield b"]}"

    def _compressed(self, shown: "_Shown", start: int, stop: int) -> bytes:
        """Return trials from one place to another, as JSON without the brackets around them.

        Places and numbers agree once every slot before has its trial: what is remembered stays where it is.
        """
        key = (shown.uid, shown.version, start)
        whole = start % PIECE == 0 and stop == start + PIECE
        with self._lock:
            if whole and key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        trials = self._read(shown, after=start, most=stop - start)
        piece = zlib.compress(json.dumps(trials).encode()[1:-1], 1)
        is_settled = [trial["number"] for trial in trials] == list(range(start, stop))
        if whole and is_settled and all(trial["state"] not in {"Running", "Waiting"} for trial in trials):
            with self._lock:
                self._kept[key] = piece
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        return piece

    def _read(
        self, shown: "_Shown", *which: sa.ColumnElement[bool], after: int = 0, most: int = 1
    ) -> list[dict[str, Any]]:
        """Return the trials of the study that are so, by number, from a place in that order on."""
        query = sa.select(_TRIALS).where(_TRIALS.c.study_id == shown.study_id, *which)
        with self.storage.reader.connect() as connection:
            trials = connection.execute(query.order_by(_TRIALS.c.number).offset(after).limit(most)).all()
            if not trials:
                return []
            numbers = _TRIALS.c.number.between(trials[0].number, trials[-1].number)
            chosen = (_TRIALS.c.study_id == shown.study_id, numbers)
            parts = _Parts(
                values=_by_trial(connection, chosen, _VALUES, _VALUES.c.objective),
                params=_by_trial(connection, chosen, _PARAMS, _PARAMS.c.param_id),
                curves=_by_trial(connection, chosen, _CURVES, _CURVES.c.step),
                user=_by_trial(connection, chosen, _USER, _USER.c.trial_user_attribute_id),
                system=_by_trial(connection, chosen, _SYSTEM, _SYSTEM.c.trial_system_attribute_id),
            )
        return [_trial(trial, parts, shown) for trial in trials]


@dataclass(frozen=True, kw_only=True)
class _Head:
    name: str
    #: The study's identity: SQLite gives Optuna's id of a deleted study to the next one.
    uid: str
    study_id: int
    n_trials: int
    #: Optuna's id of the best trial.
    best: int | None


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """The study's attributes that appear in the answer, notes and files of trials among them."""

    study_id: int
    uid: str
    attributes: Mapping[str, Any]

    @property
    def version(self) -> int:
        return zlib.crc32(json.dumps(self.attributes, sort_keys=True).encode())


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """Rows by trial."""

    values: Mapping[int, Sequence[Any]]
    params: Mapping[int, Sequence[Any]]
    curves: Mapping[int, Sequence[Any]]
    user: Mapping[int, Sequence[Any]]
    system: Mapping[int, Sequence[Any]]


def _read_head(storage: Storage, study_id: int) -> _Head | None:
    best = (
        sa.select(_TRIALS.c.trial_id)
        .join(_VALUES, _VALUES.c.trial_id == _TRIALS.c.trial_id)
        .where(_TRIALS.c.study_id == study_id, _TRIALS.c.state == TrialState.COMPLETE)
        .order_by(_VALUES.c.value.desc(), _TRIALS.c.number)
        .limit(1)
    )
    n_trials = sa.select(sa.func.count()).select_from(_TRIALS).where(_TRIALS.c.study_id == study_id)
    with storage.reader.connect() as connection:
        ours = sa.select(studies.c.name, studies.c.uid).where(studies.c.optuna_study_id == study_id)
        study = connection.execute(ours).one_or_none()
        if study is None:
            return None
        return _Head(
            name=study.name,
            uid=study.uid,
            study_id=study_id,
            n_trials=connection.scalar(n_trials) or 0,
            best=connection.scalar(best),
        )


def _describe(storage: Storage, head: _Head, shown: _Shown) -> dict[str, Any]:
    """Return everything but the trials."""
    ours = (_TRIALS.c.study_id == head.study_id, _TRIALS.c.state != TrialState.FAIL)
    spaces = (
        sa.select(_PARAMS.c.param_name, _PARAMS.c.distribution_json, sa.func.count().label("n"))
        .join(_TRIALS, _TRIALS.c.trial_id == _PARAMS.c.trial_id)
        .where(*ours)
        .group_by(_PARAMS.c.param_name, _PARAMS.c.distribution_json)
        .order_by(_PARAMS.c.param_name)
    )
    curves = sa.select(_CURVES.c.step).join(_TRIALS, _TRIALS.c.trial_id == _CURVES.c.trial_id).where(*ours).limit(1)
    examples = (
        sa.select(
            _USER.c.key, sa.func.min(_USER.c.value_json).label("low"), sa.func.max(_USER.c.value_json).label("high")
        )
        .join(_TRIALS, _TRIALS.c.trial_id == _USER.c.trial_id)
        .where(_TRIALS.c.study_id == head.study_id)
        .group_by(_USER.c.key)
    )
    with storage.reader.connect() as connection:
        n_trials = connection.scalar(sa.select(sa.func.count()).select_from(_TRIALS).where(*ours))
        space = connection.execute(spaces).all()
        has_curves = connection.execute(curves).first() is not None
        attributes = connection.execute(examples).all()
    optuna_study = {
        "user_attrs": _attributes(storage.optuna.get_study_user_attrs(head.study_id)),
        "directions": [direction.name.lower() for direction in storage.optuna.get_study_directions(head.study_id)],
    }
    everywhere = [row for row in space if row.n == n_trials]
    return {
        **optuna_study,
        "name": head.name,
        "artifacts": _files(shown, "artifacts:"),
        "intersection_search_space": [_named_distribution(row) for row in everywhere],
        "union_search_space": [_named_distribution(row) for row in space],
        "union_user_attrs": [
            {"key": row.key, "sortable": _is_number(row.low) and _is_number(row.high)} for row in attributes
        ],
        "has_intermediate_values": has_curves,
        "note": _note(shown, "dashboard:"),
        "is_preferential": False,
        "feedback_component_type": {"output_type": "note"},
        "plotly_graph_objects": _figures(shown),
    }


def _by_trial(
    connection: sa.Connection, chosen: Sequence[sa.ColumnElement[bool]], table: Any, order: sa.ColumnElement[Any]
) -> Mapping[int, Sequence[Any]]:
    query = sa.select(table).join(_TRIALS, _TRIALS.c.trial_id == table.c.trial_id).where(*chosen).order_by(order)
    rows: dict[int, list[Any]] = defaultdict(list)
    for row in connection.execute(query):
        rows[row.trial_id].append(row)
    return rows


def _trial(trial: Any, parts: _Parts, shown: _Shown) -> dict[str, Any]:
    system = {row.key: json.loads(row.value_json) for row in parts.system.get(trial.trial_id, ())}
    fixed = system.get(_FIXED, {})
    described: dict[str, Any] = {
        "trial_id": trial.trial_id,
        "study_id": shown.study_id,
        "number": trial.number,
        "state": trial.state.name.capitalize(),
        "params": [_param(row) for row in parts.params.get(trial.trial_id, ())],
        "fixed_params": [{"name": name, "param_external_value": str(value)} for name, value in fixed.items()],
        "user_attrs": _attributes({row.key: json.loads(row.value_json) for row in parts.user.get(trial.trial_id, ())}),
        "note": _note(shown, f"dashboard:{trial.trial_id}:"),
        "artifacts": _files(shown, f"dashboard:artifacts:{trial.trial_id}:"),
        "constraints": system.get(_CONSTRAINTS, []),
        "intermediate_values": [
            {"step": row.step, "value": _number(row.intermediate_value, row.intermediate_value_type.name)}
            for row in parts.curves.get(trial.trial_id, ())
        ],
    }
    values = [_number(row.value, row.value_type.name) for row in parts.values.get(trial.trial_id, ())]
    if values:
        described["values"] = values
    for key in ("datetime_start", "datetime_complete"):
        moment: datetime | None = getattr(trial, key)
        if moment is not None:
            described[key] = moment.isoformat()
    return described


def _param(row: Any) -> dict[str, Any]:
    distribution = json_to_distribution(row.distribution_json)
    value = distribution.to_external_repr(row.param_value)
    return {
        "name": row.param_name,
        "param_internal_value": row.param_value,
        "param_external_value": str(value),
        "param_external_pytyp": str(type(value)),
        "distribution": _distribution(distribution),
    }


def _named_distribution(row: Any) -> dict[str, Any]:
    return {"name": row.param_name, "distribution": _distribution(json_to_distribution(row.distribution_json))}


def _distribution(distribution: BaseDistribution) -> dict[str, Any]:
    kind = type(distribution).__name__
    if isinstance(distribution, CategoricalDistribution):
        choices = [{"pytype": str(type(choice)), "value": str(choice)} for choice in distribution.choices]
        return {"type": kind, "choices": choices}
    return {"type": kind, **{key: getattr(distribution, key) for key in ("low", "high", "step", "log")}}


def _number(value: float | None, kind: str) -> float | str | None:
    """Return a number as JSON can hold it, from Optuna's pair of a number and what kind of number it is."""
    named = {"INF_POS": "inf", "INF_NEG": "-inf", "NAN": "nan"}.get(kind)
    if named is not None:
        return named
    return "nan" if value is None or math.isnan(value) else value


def _attributes(attributes: Mapping[str, Any]) -> list[dict[str, str]]:
    longest = 1024
    return [
        {"key": key, "value": value if isinstance(value, str) else _short(json.dumps(value), value, longest)}
        for key, value in attributes.items()
    ]


def _short(text: str, value: Any, longest: int) -> str:
    return str(value) if isinstance(value, int | float) else text[:longest]


def _is_number(text: str) -> bool:
    value = json.loads(text)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in attributes.items() if key.startswith(("dashboard:", "artifacts:"))}


def _note(shown: _Shown, prefix: str) -> dict[str, Any]:
    version = shown.attributes.get(f"{prefix}note_ver", 0)
    return {"version": version, "body": _joined(shown, f"{prefix}note_str:") if version else ""}


def _figures(shown: _Shown) -> list[dict[str, str]]:
    prefix = "dashboard:plot_data:"
    names = dict.fromkeys(
        key.removeprefix(prefix).rpartition(":")[0] for key in shown.attributes if key.startswith(prefix)
    )
    return [{"id": name, "graph_object": _joined(shown, f"{prefix}{name}:")} for name in names]


def _joined(shown: _Shown, prefix: str) -> str:
    """Put together a text that Optuna Dashboard has divided among numbered attributes."""
    numbers = sorted(int(key.removeprefix(prefix)) for key in shown.attributes if key.startswith(prefix))
    return "".join(shown.attributes[f"{prefix}{number}"] for number in numbers)


def _files(shown: _Shown, prefix: str) -> list[Any]:
    found = (json.loads(value) for key, value in shown.attributes.items() if key.startswith(prefix))
    return [file for file in found if file is not None]
