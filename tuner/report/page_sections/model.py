"""The headline's model: its weights layer by layer, its size on disk and the time that a prediction takes."""

from collections.abc import Sequence
from math import prod

from tuner.report.figures import StudyView
from tuner.report.finals_results import FinalsResults, ModelFile
from tuner.report.headline import Headline
from tuner.report.markup import Child, Html, Table, definition_list, element, render_table
from tuner.report.wording import duration_of_one, file_size
from tuner.studies.records.finals import FinalRecord


def render_model(view: StudyView, headline: Headline, results: FinalsResults) -> Html | None:
    """Write what the headline's model is, or that its bundle cannot be read; None where it has none."""
    final = headline.final
    if final is None or final.bundle is None:
        return None
    model = results.models.get(final.trial)
    if model is None:
        told = f"The bundle of final {final.rank} is missing or damaged: its layers and its size are not shown."
        return element("p", told, class_="warning")
    rows = layer_rows(model)
    facts: list[tuple[str, Child]] = [
        ("Parameters", f"{model.n_parameters:,}"),
        ("Layers with weights", str(len(rows))),
        ("Bundle on disk", file_size(model.size_bytes)),
        ("One prediction", _prediction_time(final)),
    ]
    total = ("All", None, f"{model.n_parameters:,}")
    table = Table(headers=("Layer", "Shapes of its weights", "Parameters"), rows=rows, footer=[total])
    return element(
        "div",
        element(f"h{view.level + 1}", f"The model of final {final.rank}", id=view.anchor("model")),
        definition_list(facts),
        element(
            "details",
            element("summary", "Its weights, layer by layer"),
            render_table(table, label=view.unique("Weights, layer by layer")),
        ),
        class_="block",
    )


def layer_rows(model: ModelFile) -> Sequence[tuple[str, str, str]]:
    """Return name, shapes and number of the weights of each layer that has any, in the model's order."""
    layers: dict[str, list[tuple[str, tuple[int, ...]]]] = {}
    for path, shape in model.weights:
        layer, _, name = path.rpartition("/")
        layers.setdefault(layer or path, []).append((name, shape))
    return [
        (
            layer,
            ", ".join(f"{name} {_shape(shape)}" for name, shape in weights),
            f"{sum(prod(shape) for _, shape in weights):,}",
        )
        for layer, weights in layers.items()
    ]


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "1"


def _prediction_time(final: FinalRecord) -> Child:
    seconds = next((run.prediction_s for run in final.runs if run.prediction_s is not None), None)
    if seconds is None:
        return "not measured"
    return element("span", duration_of_one(seconds), element("small", "one image, on its worker"))
