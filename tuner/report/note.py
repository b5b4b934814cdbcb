"""A study in a few lines of Markdown, for Optuna Dashboard's note; imports no Plotly."""

from tuner.objectives import Objective
from tuner.report.wording import (
    count,
    describe_front,
    describe_objectives,
    percent,
    score_spread,
    setting,
    test_score,
    tested_accuracy,
)
from tuner.studies.records.finals import EnsembleRecord, FinalRecord
from tuner.studies.records.study import StudyRecord


def write_note(study: StudyRecord) -> str:
    """Describe the search, its results so far, and where more is shown."""
    search = study.definition["search"]
    lines = [
        f"## {_code(study.name)}",
        (
            f"Searches {_code(study.space)} on {_code(study.dataset)}: {count(study.budget, 'trial')} of up to "
            f"{_steps(study)}, sampler {_code(search['sampler'])}, "
            f"pruner {_code(search['pruner'])}. Optimises {_code(describe_objectives(study))}. Stage: {study.state}."
        ),
        _best(study),
        describe_front(study) or "",
        *(_final(final, study.objective) for final in sorted(study.finals, key=lambda one: one.rank)),
    ]
    if study.ensemble:
        models = count(study.ensemble.members, "model")
        beside = _beside(study.ensemble, study.objective)
        lines.append(f"- Ensemble of {models}: **{percent(study.ensemble.test_accuracy)}** test accuracy{beside}")
    if study.stop_reason:
        lines.append(f"Stopped: {_code(study.stop_reason)}")
    lines.append(
        f"Report: [/report/{study.name}](/report/{study.name}) beside this dashboard, or "
        f"{_code(f'tuner report {study.name}')}. Workers: [/fleet](/fleet)."
    )
    return "\n\n".join(line for line in lines if line) + "\n"


def _best(study: StudyRecord) -> str:
    if study.best is None:
        return "No trial has a score yet."
    names = ", ".join(f"{_code(name)} {_code(setting(value))}" for name, value in study.best.hyperparameters.items())
    score = score_spread(study.best.score, study.best.score_sd, study.objective)
    where = (
        f"over {count(len(study.best.folds), 'fold')}" if study.best.folds else f"after epoch {study.best.best_epoch}"
    )
    return (
        f"Best of the search when this stage began: trial {study.best.number}, **{score}** {study.objective.label} "
        f"{where}. {names}"
    )


def _steps(study: StudyRecord) -> str:
    """Say what a whole trial trains; the intermediate values of folds are one a fold."""
    epochs, folds = study.definition["search"]["epochs"], study.definition.get("data", {}).get("folds")
    if not folds:
        return count(epochs, "epoch")
    return (
        f"{count(folds, 'fold')} of {count(epochs, 'epoch')} (an intermediate value is the mean over the folds so far)"
    )


def _final(final: FinalRecord, objective: Objective) -> str:
    confirmed = f"{objective.format(final.mean_score)} {objective.label} over confirmations"
    if final.test_accuracy_mean is None:
        return f"- Rank {final.rank}, trial {final.trial}: {confirmed}, not tested yet"
    tested = f"**{tested_accuracy(final)}** test accuracy{_beside(final, objective)}"
    return f"- Rank {final.rank}, trial {final.trial}: {confirmed}, {tested}"


def _beside(tested: FinalRecord | EnsembleRecord, objective: Objective) -> str:
    score = test_score(tested, objective)
    return f", {score}" if score else ""


def _code(text: str) -> str:
    """Quote text from the database as code, so that Markdown interprets none of it."""
    return f"`{' '.join(text.replace('`', chr(39)).split())}`"
