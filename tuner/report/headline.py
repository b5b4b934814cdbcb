"""A study's main numbers as plain values: what its reader looks for first."""

from dataclasses import dataclass

from tuner.intervals import wilson_interval
from tuner.objectives import NO_VALUE, Objective
from tuner.plain_values import Hyperparameters
from tuner.report.finals_results import FinalsResults, tested_runs
from tuner.report.wording import count, percent, spread
from tuner.studies.records.finals import FinalRecord
from tuner.studies.records.study import StudyRecord


@dataclass(frozen=True, kw_only=True)
class Headline:
    """Test numbers and validation numbers of a study, each under its own name."""

    study: str
    space: str
    dataset: str
    budget: int
    #: Complete, pruned and failed trials.
    n_finished: int
    objective: Objective
    #: Best score of the search, and its trial.
    best_score: float | None
    best_trial: int | None
    #: Of the final with the test numbers, else of the best trial.
    hyperparameters: Hyperparameters
    #: The final with the test numbers: the tested one of best rank.
    final: FinalRecord | None
    #: Its mean score over confirmation repeats.
    confirmed_score: float | None
    test_mean: float | None
    test_sd: float | None
    #: Number of tested repeats.
    n_repeats: int
    n_test: int | None
    #: Hash of the test images' labels; None when no predictions could be read.
    test_labels_sha256: str | None
    #: Numbers in the weights of that final's models.
    n_parameters: int | None
    #: Wilson's 95 % interval of `test_mean` over `n_test` images; None when the size of the test set is unknown.
    test_interval: tuple[float, float] | None
    ensemble_accuracy: float | None
    ensemble_members: int

    @property
    def test_text(self) -> str:
        """The test accuracy with its standard deviation, as text."""
        if self.test_mean is None:
            return NO_VALUE
        if self.test_sd is None:
            return f"{percent(self.test_mean)} (one repeat)" if self.n_repeats == 1 else percent(self.test_mean)
        return spread(self.test_mean, self.test_sd)


def build_headline(study: StudyRecord, results: FinalsResults) -> Headline:
    """Compute the main numbers from a study's records and its models' predictions."""
    best = study.best
    final = study.winner
    mean = final.test_accuracy_mean if final else None
    shown = final or min(study.finals, key=lambda one: one.rank, default=None)
    n_test = results.n_test
    chosen = shown or best
    model = results.models.get(final.trial) if final else None
    return Headline(
        study=study.name,
        space=study.space,
        dataset=study.dataset,
        budget=study.budget,
        n_finished=len(study.trials_in("complete", "pruned", "failed")),
        objective=study.objective,
        best_score=best.score if best else None,
        best_trial=best.number if best else None,
        hyperparameters=chosen.hyperparameters if chosen else {},
        final=final,
        confirmed_score=shown.mean_score if shown else None,
        test_mean=mean,
        test_sd=final.test_accuracy_sd if final else None,
        n_repeats=len(tested_runs(final)) if final else 0,
        n_test=n_test,
        test_labels_sha256=results.test_labels_sha256,
        n_parameters=model.n_parameters if model else None,
        test_interval=wilson_interval(round(mean * n_test), n_test) if mean is not None and n_test else None,
        ensemble_accuracy=study.ensemble.test_accuracy if study.ensemble else None,
        ensemble_members=study.ensemble.members if study.ensemble else 0,
    )


def still_to_come(study: StudyRecord) -> str | None:
    """Say which work remains before the study is done; None when none does."""
    n_waiting = max(0, study.budget - len(study.trials_in("complete", "pruned", "failed")))
    if study.state == "stopped":
        return f"The study has stopped{f': {study.stop_reason}' if study.stop_reason else ''}."
    if study.state == "searching" and not study.asks_for_finals:
        return f"Still to come: {count(n_waiting, 'trial')}."
    if study.state == "searching":
        return (
            f"Still to come: {count(n_waiting, 'trial')}, then confirming the best with new seeds, retraining them and "
            "testing each retrained model once."
        )
    if study.state == "finals":
        runs = [run for final in study.finals for run in final.runs]
        n_open = sum(run.state in ("waiting", "running") for run in runs)
        what = f"{n_open} of {count(len(runs), 'retraining run')}" if runs else "confirmation and all retraining runs"
        return f"Still to come: {what}, then the ensemble."
    return None
