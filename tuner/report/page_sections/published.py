"""Numbers that others have published, as the study's definition holds them, each beside the study's own."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, stdev

from tuner.objectives import NO_VALUE
from tuner.plain_values import JSONObject
from tuner.report.figures import StudyView
from tuner.report.finals_results import tested_runs
from tuner.report.headline import Headline
from tuner.report.markup import Child, Html, Table, element, join, render_table
from tuner.report.wording import count, percent, spread
from tuner.studies.records.finals import FinalRecord
from tuner.studies.records.parts import augments
from tuner.studies.records.study import StudyRecord


def render_published(view: StudyView, headline: Headline) -> Html | None:
    """Write the table of published numbers; None for a study whose definition has none."""
    figures: Sequence[JSONObject] = view.study.definition.get("published") or ()
    if not figures:
        return None
    lead = (
        "Numbers from other people's work, with how they were measured. Only numbers of equal protocols can be "
        "compared; where the published one cannot be right, the corrected one is what its own data support."
    )
    rows = [_row(figure, view.study, headline) for figure in figures]
    headers = ("What", "Published", "Corrected", "This study", "How the published number was measured")
    return join(
        [
            element(f"h{view.level}", "Published and measured here", id=view.anchor("published")),
            element("p", lead, class_="lead"),
            render_table(Table(headers=headers, rows=rows), label=view.unique("Published numbers beside this study's")),
        ]
    )


def measure_beside(figure: JSONObject, study: StudyRecord, headline: Headline) -> tuple[str, str]:
    """Return the study's own accuracy that stands beside a published one, as text, and how it was measured."""
    return _MEASURED[figure["beside"]](study, headline)


def _row(figure: JSONObject, study: StudyRecord, headline: Headline) -> tuple[Child, ...]:
    corrected = figure.get("corrected")
    measured = measure_beside(figure, study, headline)
    return (
        figure["name"],
        percent(figure["value"]),
        NO_VALUE if corrected is None else element("b", percent(corrected)),
        join([measured[0], element("small", f" {measured[1]}")]),
        element(
            "span",
            " ".join(filter(None, [_sentence(figure["protocol"]), _sentence(figure["note"])])),
            element("small", f" Source: {figure['source']}"),
            class_="message",
        ),
    )


def _sentence(text: str) -> str:
    """Write a phrase as a sentence; nothing for none."""
    text = text[:1].upper() + text[1:]
    return text if not text or text.endswith((".", "?", "!")) else f"{text}."


def _test(study: StudyRecord, headline: Headline) -> tuple[str, str]:
    del study
    if headline.test_mean is None:
        return NO_VALUE, "nothing tested yet"
    shown = percent(headline.test_mean) if headline.test_sd is None else spread(headline.test_mean, headline.test_sd)
    return shown, f"test set, once, {count(headline.n_repeats, 'model')}, last epoch"


def _test_without_augmentation(study: StudyRecord, headline: Headline) -> tuple[str, str]:
    plain = study.without_augmentation if augments(study.definition) else headline.final
    if plain is None:
        return NO_VALUE, "not trained without augmentation"
    values = [run.test_accuracy for _, run in tested_runs(plain) if run.test_accuracy is not None]
    if not values:
        return NO_VALUE, "nothing tested yet"
    return _spread(values), f"test set, once, {count(len(values), 'model')} without augmentation, last epoch"


def _validation(study: StudyRecord, headline: Headline) -> tuple[str, str]:
    values = _last(headline.final, "val_accuracy")
    if values:
        return _spread(values), f"validation, {count(len(values), 'retrained model')}, last epoch"
    n_folds = study.definition.get("data", {}).get("folds")
    how = f"{n_folds}-fold cross-validation" if n_folds else "validation"
    if headline.confirmed_score is not None:
        n_epochs = study.definition["finals"].get("confirm_epochs") or study.definition["search"]["epochs"]
        return percent(headline.confirmed_score), f"{how}, confirmation, best of {count(n_epochs, 'epoch')}"
    if headline.best_score is not None:
        return percent(headline.best_score), f"{how}, best epoch of trial {headline.best_trial}"
    return NO_VALUE, "nothing scored yet"


def _train(study: StudyRecord, headline: Headline) -> tuple[str, str]:
    values = _last(headline.final, "accuracy")
    if not values:
        return NO_VALUE, "nothing retrained yet"
    images = "training images as augmented" if augments(study.definition) else "training images"
    return _spread(values), f"{images}, {count(len(values), 'model')}, last epoch"


def _last(final: FinalRecord | None, name: str) -> list[float]:
    """Return a measure of each retrained model's last epoch, where it is known."""
    ends = [run.curve[-1] for run in final.runs if run.curve] if final else []
    return [value for end in ends if (value := getattr(end, name)) is not None]


def _spread(values: Sequence[float]) -> str:
    return spread(fmean(values), stdev(values)) if len(values) > 1 else percent(values[0])


#: Which of the study's own numbers, and how it was measured.
_MEASURED: Mapping[str, Callable[[StudyRecord, Headline], tuple[str, str]]] = {
    "test": _test,
    "test without augmentation": _test_without_augmentation,
    "validation": _validation,
    "train": _train,
}
