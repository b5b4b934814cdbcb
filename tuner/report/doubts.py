"""Why the headline of a study may say less than it seems: few validation images, few epochs, repeats that differ."""

from tuner.report.finals_results import FinalsResults
from tuner.report.headline import Headline
from tuner.report.wording import count, percent, points
from tuner.studies.records.finals import FinalRecord
from tuner.studies.records.study import StudyRecord

#: With fewer validation images one of them is a third of a point or more.
_FEW_IMAGES = 300
#: Confirmations this short say little, and so do those of a small share of the epochs of retraining.
_FEW_EPOCHS, _SMALL_SHARE = 3, 0.25
#: Repeats that differ by more, as a standard deviation, are told.
_UNSTABLE = 0.02


def find_doubts(study: StudyRecord, headline: Headline, results: FinalsResults) -> list[str]:
    """Return sentences on how the headline came about where it rests on little; none where it does not."""
    if headline.test_mean is None or headline.final is None:
        return []
    doubts = [_few_images(results, headline), _few_epochs(study), _unstable(headline), _better_one(study, headline)]
    return [doubt for doubt in doubts if doubt]


def _few_images(results: FinalsResults, headline: Headline) -> str | None:
    n_images = results.n_validation
    if n_images is None or n_images >= _FEW_IMAGES:
        return None
    each = f": each is {100 / n_images:.2g} points" if headline.objective.written_as == "percent" else ""
    return (
        f"Ranks rest on {count(n_images, 'validation image')}{each}. A larger data.validation_fraction or "
        "cross-validation (data.folds) tells configurations apart more reliably."
    )


def _few_epochs(study: StudyRecord) -> str | None:
    finals = study.definition.get("finals", {})
    confirmed = finals.get("confirm_epochs") or study.definition.get("search", {}).get("epochs")
    retrained = finals.get("epochs")
    if not confirmed or not retrained or confirmed > max(_FEW_EPOCHS, _SMALL_SHARE * retrained):
        return None
    return (
        f"Confirmations trained {count(confirmed, 'epoch')}, the finals {retrained:,}: a configuration that learns "
        "slowly may be ranked too low. finals.confirm_epochs changes that."
    )


def _unstable(headline: Headline) -> str | None:
    if headline.test_sd is None or headline.test_sd < _UNSTABLE:
        return None
    return (
        f"Its {count(headline.n_repeats, 'repeat')} differ by a standard deviation of "
        f"{100 * headline.test_sd:.2f} points, so a single model may be far better or worse than the mean. "
        "More finals.repeats or finals.epochs would show whether that is chance."
    )


def _better_one(study: StudyRecord, headline: Headline) -> str | None:
    """Say that another final was tested better by more than the spread of the headline's repeats."""
    mean, least = headline.test_mean or 0.0, max(headline.test_sd or 0.0, 0.005)
    others = [final for final in study.finals if final is not headline.final and _tested(final) > mean + least]
    if not others:
        return None
    best = max(others, key=_tested)
    return (
        f"Rank {best.rank} reached {percent(best.test_accuracy_mean)} on the test set, {points(_tested(best) - mean)} "
        "points against this number. The headline stays with the configuration that validation ranked first: a choice "
        "by test accuracy would make the test accuracy too good."
    )


def _tested(final: FinalRecord) -> float:
    return final.test_accuracy_mean if final.test_accuracy_mean is not None else -1.0
