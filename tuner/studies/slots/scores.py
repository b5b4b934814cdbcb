"""The scores of running trials in Optuna's own tables: stored in one statement, compared in one.

`Trial.report` takes three statements and `Trial.should_prune` six to eight (Optuna 5.0), in which a worker would spend
more time than in a small net's epoch.
"""

from collections.abc import Mapping

import sqlalchemy as sa
from optuna.trial import TrialState

from tuner.studies.database.optuna_tables import CURVES, TRIALS, insert_into, stored_score
from tuner.studies.database.outages import retried
from tuner.studies.database.storage import Storage
from tuner.studies.pruners import Peer


def store_scores(
    connection: sa.Connection, trial_id: int, scores: Mapping[int, float], *, restarted: bool = False
) -> None:
    """Store scores by epoch as the trial's intermediate values, in place of those that are there.

    Args:
        connection: In a transaction.
        trial_id: Optuna's.
        scores: By epoch, at least one.
        restarted: Remove those of later epochs too: they are of weights that are gone.
    """
    insert = insert_into(connection, CURVES)
    rows = []
    for epoch, score in scores.items():
        value, kind = stored_score(score)
        rows.append({"trial_id": trial_id, "step": epoch, "intermediate_value": value, "intermediate_value_type": kind})
    inserted = insert.values(rows)
    changed = {name: inserted.excluded[name] for name in ("intermediate_value", "intermediate_value_type")}
    connection.execute(inserted.on_conflict_do_update(index_elements=["trial_id", "step"], set_=changed))
    if restarted:
        later = sa.and_(CURVES.c.trial_id == trial_id, CURVES.c.step > max(scores))
        connection.execute(sa.delete(CURVES).where(later))


@retried
def read_peers(storage: Storage, optuna_study_id: int, *, trial_id: int, epoch: int) -> list[Peer]:
    """Return all other trials of the study that have a score after this epoch."""
    peers = (
        sa.select(TRIALS.c.number, CURVES.c.intermediate_value, TRIALS.c.state)
        .join(TRIALS, TRIALS.c.trial_id == CURVES.c.trial_id)
        .where(TRIALS.c.study_id == optuna_study_id, CURVES.c.step == epoch, CURVES.c.trial_id != trial_id)
        # NULL stands for what is no finite number.
        .where(CURVES.c.intermediate_value.is_not(None))
    )
    with storage.reader.connect() as connection:
        return [
            Peer(number=row.number, score=row.intermediate_value, is_complete=row.state == TrialState.COMPLETE)
            for row in connection.execute(peers)
        ]
