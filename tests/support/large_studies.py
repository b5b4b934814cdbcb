"""Studies of thousands of trials, stored row by row as workers would have left them, without training."""

import json
import random
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from psycopg2.extras import execute_values

from tuner.studies.database.storage import Storage
from tuner.studies.definitions.making import make_definition
from tuner.studies.lifecycle import Study, insert_study

Rows = Iterator[tuple[Any, ...]]


def _numbers(kind: str, low: float, high: float, *, log: bool = False) -> str:
    attributes = {"low": low, "high": high, "log": log, "step": 1 if kind == "Int" else None}
    return json.dumps({"name": f"{kind}Distribution", "attributes": attributes})


_DISTRIBUTIONS = {
    "learning_rate": _numbers("Float", 1e-4, 1e-1, log=True),
    "dropout": _numbers("Float", 0.0, 0.6),
    "units": _numbers("Int", 16, 512),
    "layers": _numbers("Int", 1, 4),
    "optimizer": json.dumps({"name": "CategoricalDistribution", "attributes": {"choices": ["adam", "sgd"]}}),
    "activation": json.dumps({"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "gelu"]}}),
}


def store_large_study(storage: Storage, *, trials: int, epochs: int, running: int = 5, name: str = "large") -> Study:
    """Store a study, all but the last `running` of whose trials are finished: three of four pruned, some failed."""
    definition = make_definition(space="mlp", dataset="digits", name=name, trials=trials, epochs=epochs)
    study = insert_study(storage, definition, class_names=["0", "1"], provenance={"data_sha256": "0" * 64})
    drawn = [_draw(random.Random(number), number, epochs, trials - running) for number in range(trials)]  # noqa: S311
    with storage.engine.begin() as connection:
        first_trial = 1 + (connection.scalar(sa.text("SELECT max(trial_id) FROM trials")) or 0)
        first_slot = connection.scalar(
            sa.text("SELECT min(id) FROM tuner_slots WHERE study_id = :id"), {"id": study.id}
        )
        of_optuna = study.optuna_study_id
        _insert(
            connection, "trials", "trial_id, number, study_id, state, datetime_start, datetime_complete",
            (
                (first_trial + one["number"], one["number"], of_optuna, one["optuna_state"], "2026-01-01 10:00:00",
                 None if one["outcome"] is None else "2026-01-01 10:01:00")
                for one in drawn
            ),
        )  # fmt: skip
        _insert(
            connection, "trial_values", "trial_id, objective, value, value_type",
            (
                (first_trial + one["number"], 0, one["outcome"]["score"], "FINITE")
                for one in drawn if one["optuna_state"] == "COMPLETE"
            ),
        )  # fmt: skip
        _insert(
            connection, "trial_params", "trial_id, param_name, param_value, distribution_json",
            (
                (first_trial + one["number"], key, value, _DISTRIBUTIONS[key])
                for one in drawn for key, value in one["internal"].items()
            ),
        )  # fmt: skip
        _insert(
            connection, "trial_intermediate_values",
            "trial_id, step, intermediate_value, intermediate_value_type",
            (
                (first_trial + one["number"], epoch["epoch"], epoch["val_accuracy"], "FINITE")
                for one in drawn for epoch in one["curve"]
            ),
        )  # fmt: skip
        _insert(
            connection, "trial_user_attributes", "trial_id, key, value_json",
            ((first_trial + one["number"], "slot", str(one["number"])) for one in drawn),
        )  # fmt: skip
        connection.execute(sa.text("DELETE FROM tuner_slots WHERE study_id = :id"), {"id": study.id})
        _insert(
            connection, "tuner_slots",
            "id, study_id, stage, position, state, job, owner, token, expires_at, attempts, workers, trial_id, "
            "trial_number, epoch, outcome, result, score, curve, started_at, finished_at",
            (
                (first_slot + one["number"], study.id, "search", one["number"], one["state"], "{}",
                 None if one["outcome"] else "w", 1, None if one["outcome"] else 4e9, 1, '["w"]',
                 first_trial + one["number"], one["number"], len(one["curve"]),
                 *_outcome_columns(one), 1.7e9 + one["number"],
                 1.7e9 + one["number"] + 60 if one["outcome"] else None)
                for one in drawn
            ),
        )  # fmt: skip
    return study


def _outcome_columns(one: dict[str, Any]) -> tuple[str | None, str | None, float | None, str | None]:
    """Return the columns `outcome`, `result`, `score` and `curve` of a trial."""
    outcome = one["outcome"]
    if outcome is None:
        return None, None, None, None
    return json.dumps(outcome), outcome["state"], outcome["score"], json.dumps(one["curve"])


def _draw(draw: random.Random, number: int, epochs: int, n_finished: int) -> dict[str, Any]:
    internal = {
        "learning_rate": 10 ** draw.uniform(-4, -1), "dropout": 0.6 * draw.random(), "units": draw.randint(16, 512),
        "layers": draw.randint(1, 4), "optimizer": draw.randint(0, 1), "activation": draw.randint(0, 1),
    }  # fmt: skip
    values = internal | {
        "optimizer": ("adam", "sgd")[int(internal["optimizer"])],
        "activation": ("relu", "gelu")[int(internal["activation"])],
    }
    curve = [
        {
            "epoch": epoch, "loss": 2.0 / epoch + draw.random(), "accuracy": draw.random(),
            "val_loss": 2.0 / epoch + draw.random(), "val_accuracy": 0.97 - 0.5 / epoch + 0.02 * draw.random(),
            "learning_rate": 0.001, "duration_s": 1.5 + draw.random(),
        }
        for epoch in range(1, epochs + 1)
    ]  # fmt: skip
    if number >= n_finished:
        return {"number": number, "internal": internal, "curve": curve, "outcome": None, "state": "leased",
                "optuna_state": "RUNNING"}  # fmt: skip
    state = "failed" if number % 100 == 7 else "pruned" if number % 4 else "complete"
    best = max(curve, key=lambda epoch: epoch["val_accuracy"])
    outcome = {
        "state": state, "score": None if state == "failed" else best["val_accuracy"],
        "best_epoch": None if state == "failed" else best["epoch"], "hyperparameters": values,
    }  # fmt: skip
    if state == "failed":
        outcome["failure"] = {"kind": "nan_loss", "message": "The loss is NaN.", "traceback": ""}
    optuna_state = {"failed": "FAIL", "pruned": "PRUNED", "complete": "COMPLETE"}[state]
    return {"number": number, "internal": internal, "curve": curve, "outcome": outcome, "state": "done",
            "optuna_state": optuna_state}  # fmt: skip


def _insert(connection: sa.Connection, table: str, columns: str, rows: Rows) -> None:
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" for _ in columns.split(","))
        driver.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)
        return
    with driver.cursor() as cursor:
        execute_values(cursor, f"INSERT INTO {table} ({columns}) VALUES %s", rows, page_size=1000)
