"""What follows when a slot has ended: its study stops, its search ends, its files go, the next stages begin."""

import logging
from collections.abc import Sequence

from tuner.artifacts import ArtifactStore
from tuner.jobs.failures import MAX_FAILURES_IN_A_ROW, counts_towards_stopping
from tuner.jobs.finals.planning import advance_study
from tuner.studies.database.storage import Storage
from tuner.studies.lifecycle import Study, find_present, stop_study
from tuner.studies.progress import read_last_failures
from tuner.studies.slots.leases import Lease
from tuner.studies.slots.limits import end_search_without_progress
from tuner.studies.slots.outcomes import Outcome
from tuner.studies.stages import list_between_stages

_log = logging.getLogger(__name__)


def stop_if_failing(storage: Storage, study: Study, outcome: Outcome) -> None:
    """Stop a study whose last slots have all failed in a way that points at its builder or the machine."""
    if outcome.state != "failed":
        return
    failures = [
        failure
        for failure in read_last_failures(storage, study, n_slots=MAX_FAILURES_IN_A_ROW)
        if failure and counts_towards_stopping(failure.kind)
    ]
    if len(failures) == MAX_FAILURES_IN_A_ROW:
        reason = f"{MAX_FAILURES_IN_A_ROW} failures in a row, the last: {failures[0].message}"
        _log.error("study %r stops: %s", study.name, reason)
        stop_study(storage, study, reason=reason)


def end_if_out_of_patience(storage: Storage, study: Study, lease: Lease) -> None:
    """End the search of a study that has found nothing better for too many trials."""
    search = study.definition.search
    if lease.stage != "search" or search.patience is None:
        return
    objective, others = study.definition.objective, study.definition.others
    if end_search_without_progress(storage, study.id, patience=search.patience, objective=objective, others=others):
        _log.info("study %r: no better trial among the last %d, the search ends", study.name, search.patience)


def begin_next_stages(storage: Storage, names: Sequence[str]) -> None:
    """Plan the next stage of studies that wait for one: not only when no study has work, which may take days.

    Args:
        storage: The database.
        names: Of the studies; empty means all.
    """
    waiting = [name for name in list_between_stages(storage) if not names or name in names]
    for study in find_present(storage, waiting) if waiting else ():
        advance_study(storage, study)


def remove_folder(artifacts: ArtifactStore, folder: str) -> None:
    """Remove a folder that is no longer needed; if this fails, `tuner gc` removes it later."""
    try:
        artifacts.delete(folder)
    except OSError as error:
        _log.warning("Could not remove %s, which `tuner gc` removes later: %s", artifacts.location(folder), error)
