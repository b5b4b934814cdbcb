"""The trials of a study of one factor at a time: every repeat has each configuration once, all of them with one seed.

So the difference of two values is measured seed by seed. `tuner.jobs.hyperparameters.factors` finds the configurations,
and `tuner.studies.records.factors` compares their scores.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from tuner.errors import TunerError
from tuner.studies.database.outages import retried
from tuner.studies.database.schema import slots
from tuner.studies.database.storage import Storage
from tuner.studies.seeds import trial_seed
from tuner.studies.slots.outcomes import SearchJob
from tuner.studies.slots.stored_outcomes import read_job


class WholeRepeatsError(TunerError):
    """A study of one factor at a time was to be extended by a part of its values."""

    def __init__(self, name: str, n_values: int) -> None:
        super().__init__(
            f"Study {name!r} compares {n_values} configurations with equal seeds, so that it grows by whole repeats: "
            f"expected a multiple of {n_values} trials, or `tuner study extend {name} --repeats 1`."
        )


def training_seed(job: SearchJob, *, study_seed: int, position: int) -> int:
    """Return the seed of a trial's weights, data order and dropout, in [0, 2³¹).

    Args:
        job: The trial's slot's; that of a repeat has its seed.
        study_seed: The study's.
        position: The slot's.
    """
    return trial_seed(study_seed, position) if job.seed is None else job.seed


def repeat_jobs(configurations: Sequence[SearchJob], repeats: Iterable[int], *, seed: int) -> list[SearchJob]:
    """Return the configurations once for each repeat, repeat by repeat.

    A study that ends early has then compared all values, with fewer seeds.

    Args:
        configurations: With their values.
        repeats: Their numbers, from 0.
        seed: The study's.
    """
    return [replace(job, repeat=repeat, seed=trial_seed(seed, repeat)) for repeat in repeats for job in configurations]


def further_repeats(connection: sa.Connection, row: Any, *, n_trials: int, seed: int) -> list[SearchJob]:
    """Return the jobs of trials that are added to a study.

    Args:
        connection: To the database.
        row: The study's, locked.
        n_trials: How many are added.
        seed: The study's.

    Raises:
        WholeRepeatsError: They are no whole repeats.
    """
    jobs = _read_jobs(connection, row.id)
    configurations = [job for job in jobs if job.repeat == 0]
    if n_trials % len(configurations):
        raise WholeRepeatsError(row.name, len(configurations))
    first = 1 + max(job.repeat or 0 for job in jobs)
    return repeat_jobs(configurations, range(first, first + n_trials // len(configurations)), seed=seed)


@retried
def count_configurations(storage: Storage, study_id: int) -> int:
    """Return the number of trials in one repeat."""
    with storage.reader.connect() as connection:
        return sum(job.repeat == 0 for job in _read_jobs(connection, study_id))


def _read_jobs(connection: sa.Connection, study_id: int) -> list[SearchJob]:
    of_search = sa.select(slots.c.job).where(slots.c.study_id == study_id, slots.c.stage == "search")
    return [read_job("search", stored) for stored in connection.scalars(of_search.order_by(slots.c.position))]
