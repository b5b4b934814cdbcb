"""Export studies as files and JSON values for scripts: existing keys stay, new ones may be added.

Accuracies are in [0, 1], times are ISO 8601 in UTC, epochs count from 1. A value that was not measured is null, or
empty in CSV.
"""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from tuner.artifacts import ArtifactStore
from tuner.epochs import Epoch
from tuner.errors import TunerError
from tuner.objectives import COSTS, Measure
from tuner.plain_values import JSONObject
from tuner.studies.records.factors import Factor, compare_factors
from tuner.studies.records.finals import EnsembleRecord, FinalRecord
from tuner.studies.records.study import StudyRecord
from tuner.studies.records.trial import TrialRecord
from tuner.studies.sections.sharing import SharingSection
from tuner.studies.states import TrialState

#: Attributes of a trial and of an epoch that are exported unchanged.
_TRIAL_KEYS = (
    "number",
    "state",
    "score",
    "score_sd",
    "best_epoch",
    "seed",
    "attempts",
    "workers",
    "started_at",
    "finished_at",
    "duration_s",
)
_EPOCH_KEYS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "score", "images")


class UnknownFormatError(TunerError):
    """The file name has no known ending."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"Cannot export to {path}: expected a file name that ends in {' or '.join(_WRITERS)}, "
            f"as in `--to {path.stem or 'trials'}.csv`."
        )


def export_trials(record: StudyRecord, path: str | Path) -> None:
    """Write the study's trials to a `.csv` or `.json` file, atomically; an older file is replaced.

    Raises:
        UnknownFormatError: The name has another ending.
        TunerError: The file cannot be written.
    """
    path = Path(path)
    if path.suffix not in _WRITERS:
        raise UnknownFormatError(path)
    content = _WRITERS[path.suffix](record.trials)
    ArtifactStore(str(path.parent.resolve())).write(path.name, content.encode(errors="backslashreplace"))


def holds_curves(path: str | Path) -> bool:
    """Return whether a file of that name will contain the trials' curves.

    Raises:
        UnknownFormatError: The name has another ending than `.csv` or `.json`.
    """
    path = Path(path)
    if path.suffix not in _WRITERS:
        raise UnknownFormatError(path)
    return path.suffix == ".json"


def study_as_json(record: StudyRecord, artifacts: ArtifactStore) -> JSONObject:
    """Return what `tuner study show --json` prints; `best` is the best of the search, `winner` that of the finals."""
    values = {
        "name": record.name,
        "space": record.space,
        "dataset": record.dataset,
        "seed": record.seed,
        "state": record.state,
        "budget": record.budget,
        # Of the table `sharing`: `priority`, `weight` and `max_workers`.
        **SharingSection.model_validate(record.definition.get("sharing", {})).model_dump(),
        "search_ended": record.search_ended,
        "finals_ended": record.finals_ended,
        # What every score here is, and which end of it is better.
        "objective": _measure_values(record.objective),
        # With the others beside it; only the objective in a study of one.
        "objectives": [_measure_values(measure) for measure in record.measures],
        # The trials that no other one dominates, the best score first; empty in a study of one objective.
        "front": _front_values(record),
        "trials": {state: len(record.trials_in(state)) for state in get_args(TrialState)},
        "best": None if record.best is None else _best_values(record.best),
        "winner": None if record.winner is None else _final_values(record.winner, artifacts),
        "finals": [_final_values(final, artifacts) for final in record.finals],
        "ensemble": None if record.ensemble is None else _ensemble_values(record.ensemble, artifacts),
        "failures": [
            asdict(part) | {"kind": failure.kind, "message": failure.message} for part, failure in record.failures
        ],
        "notes": [asdict(part) | {"note": note} for part, note in record.notes],
        "factors": [_factor_values(factor) for factor in compare_factors(record)],
        "stop_reason": record.stop_reason,
        "pixels": record.pixels,
        "definition": record.definition,
    }
    return dict(_as_json(values))


def _measure_values(measure: Measure) -> dict[str, str]:
    return {"name": measure.name, "direction": measure.direction, "label": measure.label}


def _best_values(best: TrialRecord) -> JSONObject:
    return {
        "number": best.number,
        "score": best.score,
        # Over folds; null without them.
        "score_sd": best.score_sd,
        "folds": [fold.score for fold in best.folds],
        "epoch": best.best_epoch,
        **_cost_values(best),
        "others": best.others,
        "hyperparameters": best.hyperparameters,
    }


def _ensemble_values(ensemble: EnsembleRecord, artifacts: ArtifactStore) -> JSONObject:
    return {
        "members": ensemble.members,
        "test_accuracy": ensemble.test_accuracy,
        "test_score": ensemble.test_score,
        "test_others": ensemble.test_others,
        "bundle": ensemble.bundle,
        "bundle_location": ensemble.bundle and artifacts.location(ensemble.bundle),
    }


def _front_values(record: StudyRecord) -> list[JSONObject]:
    knee = record.knee
    return [
        {
            "number": trial.number,
            "score": trial.score,
            **_cost_values(trial),
            # What the other objectives are, by their names; empty where only costs stand beside the score.
            "others": trial.others,
            "is_knee": knee is not None and trial.number == knee.number,
            "hyperparameters": trial.hyperparameters,
        }
        for trial in record.front
    ]


def _cost_values(source: TrialRecord | FinalRecord) -> dict[str, float | int | None]:
    """Return all costs by their names; null where one was not measured."""
    values = {name: source.costs.get(name) for name in COSTS}
    return {
        name: int(value) if COSTS[name].is_counted and value is not None else value for name, value in values.items()
    }


def trial_as_json(trial: TrialRecord) -> JSONObject:
    """Return what `tuner study export` writes for one trial."""
    return dict(_as_json(_trial_values(trial)))


def _trial_values(trial: TrialRecord) -> JSONObject:
    failure = trial.failure
    return _pick(trial, _TRIAL_KEYS) | {
        "hyperparameters": dict(trial.hyperparameters),
        "curve": list(map(_epoch_values, trial.curve)),
        "folds": [
            {
                "fold": fold.number,
                "score": fold.score,
                "best_epoch": fold.best_epoch,
                "curve": list(map(_epoch_values, fold.curve)),
            }
            for fold in trial.folds
        ],
        "failure": {"kind": failure.kind, "message": failure.message} if failure else None,
        "notes": list(trial.notes),
        "varied": trial.varied,
        "repeat": trial.repeat,
        # Of its model; null where none was built.
        **_cost_values(trial),
        "others": trial.others,
    }


def _epoch_values(epoch: Epoch) -> JSONObject:
    values = _pick(epoch, _EPOCH_KEYS)
    return values if epoch.others is None else {**values, "others": epoch.others}


def _pick(source: object, names: Sequence[str]) -> JSONObject:
    return {name: getattr(source, name) for name in names}


def _final_values(final: FinalRecord, artifacts: ArtifactStore) -> JSONObject:
    return {
        "rank": final.rank,
        "trial": final.trial,
        "hyperparameters": final.hyperparameters,
        "score_mean": final.mean_score,
        # As 0.1.0 called it, when every score was an accuracy.
        "val_accuracy_mean": final.mean_score,
        "test_accuracy_mean": final.test_accuracy_mean,
        "test_accuracy_sd": final.test_accuracy_sd,
        # The objective's value on the test images; null where it is the accuracy.
        "test_score_mean": final.test_score_mean,
        "test_score_sd": final.test_score_sd,
        # The number of tests in the mean; repeats that are still running or failed are not counted.
        "repeats": sum(run.state == "complete" for run in final.runs),
        # Of its models, of the latency the mean.
        **_cost_values(final),
        # Means over confirmations, and over tests.
        "others": final.others,
        "test_others": final.test_others,
        "bundle": final.bundle,
        # The same file's location for programs that do not use the artifact store.
        "bundle_location": final.bundle and artifacts.location(final.bundle),
    }


def _factor_values(factor: Factor) -> JSONObject:
    return {
        "name": factor.name,
        "values": [
            {
                "value": one.value,
                "is_default": one.is_default,
                "trials": [trial.number for trial in one.trials],
                "score_mean": one.mean,
                "score_sd": one.sd,
                "difference": one.difference,
                "difference_interval": one.interval,
                "pairs": len(one.differences),
                "finding": one.verdict,
            }
            for one in factor.values
        ],
    }


def _as_json(value: Any) -> Any:
    """Return the value in JSON's types: times as text, and null for NaN and infinity."""
    if isinstance(value, Mapping):
        return {str(key): _as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if isinstance(value, datetime):
        # Records store times without a zone in UTC.
        return (value.replace(tzinfo=UTC) if value.tzinfo is None else value).astimezone(UTC).isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _write_json(trials: Sequence[TrialRecord]) -> str:
    # One line per trial: with an indent, json uses Python instead of C code, which takes ten times as long.
    return "[\n" + ",\n".join(_trial_line(trial) for trial in trials) + "\n]\n"


def _trial_line(trial: TrialRecord) -> str:
    times = {"started_at": _as_json(trial.started_at), "finished_at": _as_json(trial.finished_at)}
    values = _trial_values(trial) | times
    try:
        return json.dumps(values, allow_nan=False, ensure_ascii=False)
    except ValueError:
        # Few trials have NaN or infinity: it becomes null.
        return json.dumps(trial_as_json(trial), allow_nan=False, ensure_ascii=False)


def _write_csv(trials: Sequence[TrialRecord]) -> str:
    """Write one row per trial.

    The plain columns, those of the model's costs, `score_<name>` for each objective beside the leading one, then
    `fold_<number>` with the score of each fold that any trial has, then `hp_<name>` for each hyperparameter. Of a study
    of one factor at a time, `repeat` from 0 and the value that is `varied` follow the costs.
    """
    names = sorted({name for trial in trials for name in trial.hyperparameters})
    folds = range(1, max((len(trial.folds) for trial in trials), default=0) + 1)
    rows = []
    for trial in trials:
        row = _as_json(_pick(trial, _TRIAL_KEYS)) | {"workers": " ".join(trial.workers)}
        row |= {f"fold_{fold.number}": fold.score for fold in trial.folds}
        row |= _cost_values(trial) | {f"score_{name}": _as_json(value) for name, value in trial.others.items()}
        row |= {} if trial.repeat is None else {"repeat": trial.repeat, "varied": _list_varied(trial)}
        rows.append(row | {f"hp_{name}": _as_json(value) for name, value in trial.hyperparameters.items()})
    text = io.StringIO(newline="")
    columns = [
        *_TRIAL_KEYS,
        *COSTS,
        *dict.fromkeys(f"score_{name}" for trial in trials for name in trial.others),
        *(("repeat", "varied") if any(trial.repeat is not None for trial in trials) else ()),
    ]
    columns += [*(f"fold_{n}" for n in folds), *(f"hp_{name}" for name in names)]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _list_varied(trial: TrialRecord) -> str:
    return " ".join(f"{name}={value}" for name, value in (trial.varied or {}).items())


_WRITERS: Mapping[str, Callable[[Sequence[TrialRecord]], str]] = {".csv": _write_csv, ".json": _write_json}
