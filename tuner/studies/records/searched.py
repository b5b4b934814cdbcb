"""What the search of a study drew from, and the names of the workers that trained: for reports."""

from collections.abc import Mapping

import optuna
import sqlalchemy as sa

from tuner.studies.database.optuna_tables import PARAMS, TRIALS
from tuner.studies.database.outages import retried
from tuner.studies.database.schema import workers
from tuner.studies.database.storage import Storage
from tuner.studies.lifecycle import Study
from tuner.studies.records.trial import SearchedRange


@retried
def read_ranges(storage: Storage, study: Study) -> tuple[SearchedRange, ...]:
    """Return what the study's trials were drawn from, in the order of the first drawings."""
    drawn = (
        sa.select(PARAMS.c.param_name, PARAMS.c.distribution_json)
        .join(TRIALS, TRIALS.c.trial_id == PARAMS.c.trial_id)
        .where(TRIALS.c.study_id == study.optuna_study_id)
        .group_by(PARAMS.c.param_name, PARAMS.c.distribution_json)
        .order_by(sa.func.min(PARAMS.c.param_id))
    )
    with storage.reader.connect() as connection:
        return tuple(_range(row.param_name, row.distribution_json) for row in connection.execute(drawn))


def _range(optuna_name: str, stored: str) -> SearchedRange:
    distribution = optuna.distributions.json_to_distribution(stored)
    # Optuna's name of a hyperparameter with conditions says them in brackets, which no record repeats.
    name = optuna_name.partition(" [")[0]
    if isinstance(distribution, optuna.distributions.CategoricalDistribution):
        return SearchedRange(name=name, choices=tuple(distribution.choices))
    low, high, step, log = (getattr(distribution, key) for key in ("low", "high", "step", "log"))
    return SearchedRange(name=name, low=low, high=high, step=step, is_logarithmic=log)


@retried
def read_worker_names(storage: Storage, study: Study) -> Mapping[str, str]:
    """Return `host:pid` by id of the workers that are known; the database forgets them a day after their last sign."""
    begun = sa.select(workers.c.id, workers.c.host, workers.c.pid).where(workers.c.last_seen_at >= study.created_at)
    with storage.reader.connect() as connection:
        return {row.id: f"{row.host}:{row.pid}" for row in connection.execute(begun)}
