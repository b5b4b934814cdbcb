"""Find what is missing from the result of a study that has ended.

A missing score, missing finals, and a failed confirmation, retraining or ensemble count. A failed trial of the search
does not count, because the search continues with others; nor does anything that is missing because a person stopped the
study or limited its time, as long as one model was tested.
"""

from tuner.studies.records.parts import Part
from tuner.studies.records.study import StudyRecord
from tuner.studies.slots.outcomes import Failure

#: Label of a shortfall, for people.
INCOMPLETE_LABEL = "Incomplete result"

_NAMES = {"confirm": "confirmation", "retrain": "retraining", "ensemble": "ensemble"}


def find_shortfall(record: StudyRecord) -> str | None:
    """Return one line on what is missing, why, and what to do; None if nothing is, or the study has not ended."""
    if record.state == "stopped" and record.stop_reason:
        return (
            f"it stopped by itself: {record.stop_reason.rstrip('.')}. "
            f"Fix the cause, then continue with `tuner study resume {record.name}`."
        )
    if record.state != "done":
        return None
    if record.best is None:
        return _no_score(record)
    if not record.asks_for_finals:
        return None
    return _missing_finals(record)


def _missing_finals(record: StudyRecord) -> str | None:
    failed = [
        (part, failure)
        for part, failure in record.failures
        # What a limit of its definition ended is missing because a person wanted it so.
        if part.stage != "search" and not (record.finals_ended and failure.kind == "timeout")
    ]
    if not failed and record.winner:
        return None
    if not failed and record.finals_ended:
        return (
            "no model was tested before the time of its finals was over (finals.timeout). Go on with "
            f"`tuner finals {record.name} --until-done`."
        )
    # Only the latest stage that failed: earlier ones had enough results to continue.
    latest = [(part, failure) for part, failure in failed if part.stage == failed[-1][0].stage]
    what = "it has no finals" if not record.finals else _count_failed(record, latest)
    reason = f": {_describe(latest[0])}" if latest else ""
    return (
        f"{what}{reason.rstrip('.')}. Fix the cause, then repeat what failed: "
        f"`tuner finals {record.name} --until-done`."
    )


def _no_score(record: StudyRecord) -> str:
    finished = record.trials_in("complete", "pruned", "failed")
    failures = [failure for part, failure in record.failures if part.stage == "search"]
    if len(failures) == len(finished) and failures:
        why = f"all {len(finished)} trials failed, the last: {failures[-1].message.rstrip('.')}"
        advice = "Fix the cause"
    elif finished and all(trial.ended == "constraint" for trial in finished):
        limits = ", ".join(record.definition["search"]["constraints"])
        why = f"the models of all {len(finished)} trials are beyond its limits ({limits})"
        advice = "Loosen search.constraints, or let the space have smaller models"
    else:
        why = f"none of its {len(finished)} trials has a {record.objective.label}"
        advice = record.objective.advice
    return f"{why}. {advice}, then search again under another name: `--name {record.name}-2`."


def _count_failed(record: StudyRecord, failed: list[tuple[Part, Failure]]) -> str:
    """Return how many of a stage's trainings failed; `failed` holds them all."""
    stage = failed[0][0].stage if failed else "retrain"
    finals = [*record.finals, *([record.without_augmentation] if record.without_augmentation else [])]
    totals = {
        "confirm": len(record.confirmations),
        "retrain": sum(len(final.all_runs) for final in finals),
        "ensemble": 1,
    }
    if stage == "ensemble":
        return "the ensemble failed"
    return f"{len(failed)} of {totals[stage]} {_NAMES[stage]}{'s' * (totals[stage] != 1)} failed"


def _describe(failed: tuple[Part, Failure]) -> str:
    part, failure = failed
    return failure.message if part.stage == "ensemble" else f"{part}: {failure.message}"
