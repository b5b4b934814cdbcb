"""The top of the page: one large number with its meaning and uncertainty, and the configuration that reached it."""

from collections.abc import Sequence
from dataclasses import dataclass

from tuner.report.doubts import find_doubts
from tuner.report.figures import StudyView
from tuner.report.finals_results import FinalsResults
from tuner.report.headline import Headline, still_to_come
from tuner.report.markup import Child, Html, definition_list, element, join
from tuner.report.page_sections.configuration import render_configuration
from tuner.report.page_sections.published import render_published
from tuner.report.plots.budget import epoch_budget, epochs_of
from tuner.report.templating import fill
from tuner.report.totals import Totals, count_totals
from tuner.report.wording import STATE_WORDS, count, describe_front, duration, interval, percent, points, test_score
from tuner.studies.records.ended_by import describe_ends
from tuner.studies.records.largest_class import beaten_by_largest_class
from tuner.studies.records.shortfall import INCOMPLETE_LABEL, find_shortfall
from tuner.studies.records.study import StudyRecord

_OPTIMISM = {
    "maximize": "The maximum of many validation scores is optimistic: expect less on new images.",
    "minimize": "The minimum of many validation scores is optimistic: expect more on new images.",
}


@dataclass(frozen=True, kw_only=True)
class _Detail:
    """A line below a large number."""

    text: str
    #: What the line begins with, in bold.
    first: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Number:
    """A large number and what it means."""

    text: str
    label: str
    details: Sequence[_Detail]
    #: What it is of, which gives it its colour.
    kind: str = "test"


def render_overview(view: StudyView, headline: Headline, results: FinalsResults) -> Html:
    """Write the top of a study's part of the page."""
    study = view.study
    totals = count_totals(study)
    to_come = still_to_come(study)
    warnings = (_shortfall(study), _failed_finals(study), beaten_by_largest_class(study))
    return fill(
        "overview",
        view=view,
        told=_describe_origin(study, totals),
        numbers=[_headline(study, headline), *_ensemble(headline)],
        doubts=find_doubts(study, headline, results),
        warnings=[warning for warning in warnings if warning],
        front=describe_front(study),
        to_come=[*describe_ends(study), *([to_come] if to_come else [])],
        published=render_published(view, headline),
        configuration=render_configuration(view, headline),
        budget=_budget(study, totals),
    )


def _describe_origin(study: StudyRecord, totals: Totals) -> list[str]:
    told = [f"dataset {study.dataset}", f"space {study.space}", STATE_WORDS[study.state], _when(study, totals)]
    return [*told, f"by {author}"] if (author := study.definition.get("author")) else told


def _when(study: StudyRecord, totals: Totals) -> str:
    begun = f"{study.created_at:%Y-%m-%d}"
    ended = f"{totals.finished_at:%Y-%m-%d}" if totals.finished_at and study.state == "done" else begun
    return begun if ended == begun else f"{begun} to {ended}"


def _headline(study: StudyRecord, headline: Headline) -> _Number:
    if headline.test_mean is not None:
        return _Number(text=percent(headline.test_mean), label=_test_label(headline), details=_certainty(headline))
    if headline.best_score is not None:
        is_over = study.state == "done"
        what = "validation score" if headline.objective.is_accuracy else headline.objective.label
        untested = "No test accuracy" if is_over or not study.asks_for_finals else "No test accuracy yet"
        return _Number(
            text=headline.objective.format(headline.best_score),
            label=f"best {what}{'' if is_over else ' so far'}, trial {headline.best_trial}{_over_folds(study)}",
            details=[_Detail(text=f"{untested}. {_OPTIMISM[headline.objective.direction]}")],
            kind="validation",
        )
    failures = study.trials_in("failed")
    if failures and len(failures) == len([trial for trial in study.trials if trial.state != "waiting"]):
        return _nothing("No result", f"all {count(len(failures), 'trial')} failed", _commonest(study))
    unscored = study.trials_in("complete", "pruned")
    if unscored:
        if all(trial.ended == "constraint" for trial in unscored):
            limits = ", ".join(study.definition["search"]["constraints"])
            label = f"the models of {count(len(unscored), 'trial')} are beyond the study's limits"
            return _nothing("No result", label, f"search.constraints: {limits}.")
        label = f"{count(len(unscored), 'trial')} finished without a {study.objective.label}"
        return _nothing("No result", label, f"{study.objective.advice}.")
    return _nothing("No result yet", "no trial has finished", f"0 of {count(study.budget, 'trial')}.")


def _nothing(text: str, label: str, detail: str) -> _Number:
    return _Number(text=text, label=label, details=[_Detail(text=detail)], kind="nothing")


def _over_folds(study: StudyRecord) -> str:
    folds = study.best.folds if study.best else ()
    return f", mean of {count(len(folds), 'fold')}" if folds else ""


def _test_label(headline: Headline) -> str:
    rank = "" if headline.final is None or headline.final.rank == 1 else f" of rank {headline.final.rank}"
    if headline.n_repeats == 1:
        return f"test accuracy{rank}, one retrained model"
    return f"test accuracy{rank}, mean of {count(headline.n_repeats, 'retrained model')}"


def _certainty(headline: Headline) -> list[_Detail]:
    lines = []
    score = None if headline.final is None else test_score(headline.final, headline.objective)
    if score:
        lines.append(_Detail(first=score, text=f"beside it, the objective ({headline.objective.best_word})"))
    if headline.test_sd is not None:
        repeats = f"{count(headline.n_repeats, 'repeat')} with different seeds"
        lines.append(
            _Detail(first=f"± {100 * headline.test_sd:.2f} points", text=f"sample standard deviation over {repeats}")
        )
    else:
        lines.append(_Detail(text="One repeat: the spread over seeds is unknown."))
    if headline.test_interval and headline.n_test:
        whose = "this" if headline.n_repeats == 1 else "the mean"
        is_known = headline.test_sd is not None
        seeds = "; the spread over seeds is the \u00b1 above" if is_known else ", and not the spread over seeds"
        shared = "" if headline.n_repeats == 1 else " Repeats share the images and do not narrow it."
        text = (
            f"Wilson 95\u00a0% interval of {whose} accuracy on {headline.n_test:,} test images: covers the choice of "
            f"test images{seeds}.{shared}"
        )
        lines.append(_Detail(first=interval(*headline.test_interval), text=text))
    else:
        lines.append(_Detail(text="No interval: without the predictions, the number of test images is unknown."))
    return lines


def _ensemble(headline: Headline) -> list[_Number]:
    # One model answers as it does alone: the others were left out, or there are none.
    if headline.ensemble_accuracy is None or headline.ensemble_members == 1:
        return []
    difference = (
        f"{points(headline.ensemble_accuracy - headline.test_mean)} points against the single model's mean."
        if headline.test_mean is not None
        else ""
    )
    models = count(headline.ensemble_members, "model")
    label = f"test accuracy of the ensemble: {models}, mean of the members' probabilities"
    text = percent(headline.ensemble_accuracy)
    return [_Number(text=text, label=label, details=[_Detail(text=difference)], kind="ensemble")]


def _shortfall(study: StudyRecord) -> str | None:
    # The reason why a study stopped by itself is told by `still_to_come`.
    shortfall = find_shortfall(study) if study.state == "done" else None
    return f"{INCOMPLETE_LABEL}: {shortfall}" if shortfall else None


def _failed_finals(study: StudyRecord) -> str | None:
    best = min(study.finals, key=lambda final: final.rank, default=None)
    if best is None or best is study.winner:
        return None
    failures = [run.failure for run in best.runs if run.failure]
    if not failures:
        return None
    how_many = f"{len(failures)} of {count(len(best.runs), 'retraining run')}"
    why = f"({failures[0].kind.replace('_', ' ')}): {failures[0].message}"
    return f"The best configuration has no test accuracy: {how_many} failed {why}"


def _commonest(study: StudyRecord) -> str:
    kinds = [trial.failure.kind for trial in study.trials if trial.failure]
    if not kinds:
        return ""
    kind = max(sorted(set(kinds)), key=kinds.count)
    example = next(trial.failure for trial in study.trials if trial.failure and trial.failure.kind == kind)
    return f"Most often {kind.replace('_', ' ')} ({kinds.count(kind)} of {len(kinds)}): {example.message}"


def _budget(study: StudyRecord, totals: Totals) -> Html:
    epochs = epoch_budget(study.trials, epochs=epochs_of(study))
    states = [(state, len(study.trials_in(state))) for state in ("complete", "pruned", "failed", "running")]
    finished = sum(number for state, number in states if state != "running")
    by_state = ", ".join(f"{number:,} {state}" for state, number in states if number)
    stages = (
        ("search", totals.search_epochs),
        ("confirmations", totals.confirmation_epochs),
        ("retraining", totals.retraining_epochs),
    )
    trained = ", ".join(f"{stage} {number:,}" for stage, number in stages if number)
    times = [("search", totals.search_s), ("finals", totals.finals_s)]
    lasted = ", ".join(f"{stage} {duration(seconds)}" for stage, seconds in times if seconds)
    facts: list[tuple[str, Child]] = [
        ("Trials", join([f"{finished:,} of {study.budget:,}", element("small", by_state)])),
        ("Epochs of the whole study", join([f"{totals.epochs:,}", element("small", trained)])),
        ("Time of the whole study", join([duration(totals.whole_s or None), element("small", lasted)])),
        (
            "Time of all workers together",
            join([duration(totals.workers_s), element("small", "energy is not measured")]),
        ),
        ("Saved by pruning", percent(epochs.saved_share, digits=0)),
    ]
    return definition_list(facts)
