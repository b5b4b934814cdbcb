"""What a study that has ended was asked for and does not have.

Whatever is missing counts: a score, finals, one failed confirmation, retraining or ensemble. A failed trial of the
search does not, as the search goes on with others; nor does what was left undone because a person stopped the study.
"""

from tuner.studies.outcomes import Failure
from tuner.studies.records import Part, StudyRecord

_NAMES = {"confirm": "confirmation", "retrain": "retraining", "ensemble": "ensemble"}


def find_shortfall(record: StudyRecord) -> str | None:
    """Return what is missing, why, and what to do, in one line; None when nothing is, or the study has not ended."""
    if record.state == "stopped" and record.stop_reason:
        return (
            f"it stopped by itself: {record.stop_reason.rstrip('.')}. "
            f"Mend the cause, then go on with `tuner study resume {record.name}`."
        )
    if record.state != "done":
        return None
    if record.best is None:
        return _no_score(record)
    if not record.asks_for_finals:
        return None
    failed = [(part, failure) for part, failure in record.failures if part.stage != "search"]
    if not failed and record.winner:
        return None
    # Of the latest stage that failed: what came before it was enough to go on.
    latest = [(part, failure) for part, failure in failed if part.stage == failed[-1][0].stage]
    what = "it has no finals" if not record.finals else _count_failed(record, latest)
    reason = f": {_tell(latest[0])}" if latest else ""
    return (
        f"{what}{reason.rstrip('.')}. Mend the cause, then make again what failed: "
        f"`tuner finals {record.name} --until-done`."
    )


def _no_score(record: StudyRecord) -> str:
    finished = record.trials_in("complete", "pruned", "failed")
    failures = [failure for part, failure in record.failures if part.stage == "search"]
    if len(failures) == len(finished) and failures:
        why = f"all {len(finished)} trials failed, the last: {failures[-1].message.rstrip('.')}"
        advice = "Mend the cause"
    else:
        why = f"none of its {len(finished)} trials has a {record.objective.label}"
        advice = record.objective.advice
    return f"{why}. {advice}, then search anew under another name: `--name {record.name}-2`."


def _count_failed(record: StudyRecord, failed: list[tuple[Part, Failure]]) -> str:
    """Say how many of a stage's trainings failed, all of which are given."""
    stage = failed[0][0].stage if failed else "retrain"
    finals = [*record.finals, *([record.without_augmentation] if record.without_augmentation else [])]
    totals = {
        "confirm": len(record.confirmations),
        "retrain": sum(len(final.runs) for final in finals),
        "ensemble": 1,
    }
    if stage == "ensemble":
        return "the ensemble failed"
    return f"{len(failed)} of {totals[stage]} {_NAMES[stage]}{'s' * (totals[stage] != 1)} failed"


def _tell(failed: tuple[Part, Failure]) -> str:
    part, failure = failed
    return failure.message if part.stage == "ensemble" else f"{part}: {failure.message}"
