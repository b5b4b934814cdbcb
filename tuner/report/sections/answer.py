"""The answer first: one big number that says what it is, how sure it is, and what gave it."""

from collections.abc import Sequence

from tuner.report.answer import Answer, still_to_come
from tuner.report.exhibit import StudyView
from tuner.report.markup import Child, Html, definition_list, element, join
from tuner.report.plots.budget import epoch_budget, epochs_of
from tuner.report.wording import count, duration, interval, percent, points, setting
from tuner.studies.records import StudyRecord
from tuner.studies.shortfall import find_shortfall

_STATES = {"searching": "searching", "finals": "retraining the best", "done": "done", "stopped": "stopped"}


def render_answer(view: StudyView, answer: Answer) -> Html:
    """Write the headline of a study."""
    study = view.study
    eyebrow = element(
        "p",
        *[element("span", part) for part in (f"dataset {study.dataset}", f"space {study.space}", _STATES[study.state])],
        class_="eyebrow",
    )
    to_come = still_to_come(study)
    return element(
        "div",
        eyebrow,
        element("div", _headline(study, answer), _ensemble(answer), class_="headline"),
        _shortfall(study),
        _failed_finals(study),
        element("p", to_come, class_="to-come") if to_come else None,
        element(f"h{view.level}", "Best configuration", id=view.anchor("configuration"))
        if answer.hyperparameters
        else None,
        _configuration(answer),
        element(f"h{view.level}", "Budget used", id=view.anchor("budget")),
        _budget(study, answer),
        class_="answer",
    )


def _headline(study: StudyRecord, answer: Answer) -> Html:
    if answer.test_mean is not None:
        return _big(percent(answer.test_mean), _test_label(answer), *_certainty(answer))
    if answer.best_score is not None:
        is_over = study.state == "done"
        untested = "No test accuracy" if is_over or not study.asks_for_finals else "No test accuracy yet"
        return _big(
            percent(answer.best_score),
            f"best validation score{'' if is_over else ' so far'}, trial {answer.best_trial}",
            [f"{untested}. The maximum of many validation scores flatters: expect less on new images."],
            kind="validation",
        )
    failures = study.trials_in("failed")
    if failures and len(failures) == len([trial for trial in study.trials if trial.state != "waiting"]):
        return _big("No result", f"all {count(len(failures), 'trial')} failed", [_commonest(study)], kind="nothing")
    n_unscored = len(study.trials_in("complete", "pruned"))
    if n_unscored:
        label = f"{count(n_unscored, 'trial')} finished without a validation accuracy"
        return _big("No result", label, ["Compile the model with metrics=['accuracy']."], kind="nothing")
    return _big("No result yet", "no trial has finished", [f"0 of {count(study.budget, 'trial')}."], kind="nothing")


def _big(number: str, label: str, *details: Sequence[str], kind: str = "test") -> Html:
    return element(
        "div",
        element("p", element("strong", number), element("span", label), class_="big"),
        *[element("p", *detail, class_="detail") for detail in details],
        class_=f"number {kind}",
    )


def _test_label(answer: Answer) -> str:
    rank = "" if answer.final is None or answer.final.rank == 1 else f" of rank {answer.final.rank}"
    if answer.n_repeats == 1:
        return f"test accuracy{rank}, one retrained model"
    return f"test accuracy{rank}, mean of {count(answer.n_repeats, 'retrained model')}"


def _certainty(answer: Answer) -> list[list[str]]:
    lines = []
    if answer.test_sd is not None:
        lines.append(
            [
                element("b", f"± {100 * answer.test_sd:.2f} points"),
                f" sample standard deviation over {count(answer.n_repeats, 'repeat')} with different seeds",
            ]
        )
    else:
        lines.append(["One repeat: nothing is known about the spread over seeds."])
    if answer.test_interval and answer.n_test:
        lines.append(
            [
                element("b", interval(*answer.test_interval)),
                (
                    f" Wilson 95\u00a0% interval of {'this' if answer.n_repeats == 1 else 'the mean'} accuracy on "
                    f"{answer.n_test:,} test images: it covers which images happened to be in the test set, not the "
                    "seeds (repeats saw the same images and do not count as more)"
                ),
            ]
        )
    else:
        lines.append(["No interval: how many images the test set has is not known without the predictions."])
    return lines


def _ensemble(answer: Answer) -> Html | None:
    if answer.ensemble_accuracy is None:
        return None
    difference = (
        f"{points(answer.ensemble_accuracy - answer.test_mean)} points against the single model's mean."
        if answer.test_mean is not None
        else ""
    )
    label = f"test accuracy of the ensemble: {answer.ensemble_members} models, mean of their probabilities"
    return _big(percent(answer.ensemble_accuracy), label, [difference], kind="ensemble")


def _shortfall(study: StudyRecord) -> Html | None:
    # Why a study stopped by itself stands in what is still to come.
    shortfall = find_shortfall(study) if study.state == "done" else None
    return element("p", f"Not all that was asked for is here: {shortfall}", class_="warning") if shortfall else None


def _failed_finals(study: StudyRecord) -> Html | None:
    best = min(study.finals, key=lambda final: final.rank, default=None)
    if best is None or best is study.winner:
        return None
    failures = [run.failure for run in best.runs if run.state == "failed" and run.failure]
    if not failures:
        return None
    how_many = f"{len(failures)} of {count(len(best.runs), 'retraining run')}"
    why = f"{failures[0].kind.replace('_', ' ')}: {failures[0].message}"
    return element(
        "p", f"The best configuration has no test accuracy: {how_many} of it failed ({why}).", class_="warning"
    )


def _commonest(study: StudyRecord) -> str:
    kinds = [trial.failure.kind for trial in study.trials if trial.failure]
    if not kinds:
        return ""
    kind = max(sorted(set(kinds)), key=kinds.count)
    example = next(trial.failure for trial in study.trials if trial.failure and trial.failure.kind == kind)
    return f"Most often {kind.replace('_', ' ')} ({kinds.count(kind)} of {len(kinds)}): {example.message}"


def _configuration(answer: Answer) -> Html | None:
    if not answer.hyperparameters:
        return None
    pairs: list[tuple[str, Child]] = [(name, setting(value)) for name, value in answer.hyperparameters.items()]
    if answer.validation_mean is not None:
        validation = (
            f"Validation accuracy {percent(answer.validation_mean)}, mean of confirmation repeats with new seeds"
        )
        found = f"; best score in the search {percent(answer.best_score)}." if answer.best_score is not None else "."
        note = element("p", validation + found, class_="detail")
        return element("div", definition_list(pairs, class_="settings"), note)
    return definition_list(pairs, class_="settings")


def _budget(study: StudyRecord, answer: Answer) -> Html:
    epochs = epoch_budget(study.trials, epochs=epochs_of(study))
    states = [(state, len(study.trials_in(state))) for state in ("complete", "pruned", "failed", "running")]
    finished = sum(number for state, number in states if state != "running")
    starts = [trial.started_at for trial in study.trials if trial.started_at]
    ends = [trial.finished_at for trial in study.trials if trial.finished_at]
    wall_s = (max(ends) - min(starts)).total_seconds() if starts and ends else None
    by_state = ", ".join(f"{number:,} {state}" for state, number in states if number)
    facts: list[tuple[str, Child]] = [
        ("Trials", join([f"{finished:,} of {study.budget:,}", element("small", by_state)])),
        ("Epochs trained", f"{epochs.trained:,}"),
        ("Saved by pruning", percent(epochs.saved_share, digits=0)),
        ("Search, wall clock", duration(wall_s)),
        ("Search, all workers", duration(sum(trial.duration_s or 0.0 for trial in study.trials))),
    ]
    if answer.n_parameters is not None:
        facts.append(("Model parameters", f"{answer.n_parameters:,}"))
    return definition_list(facts)
