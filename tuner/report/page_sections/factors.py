"""One factor at a time: every value against the default; only in a study that compares so."""

from tuner.objectives import Objective
from tuner.report.factor_words import factor_table
from tuner.report.figures import StudyView, render_figure
from tuner.report.markup import Html, element, render_table
from tuner.report.plots.factors import differences_report_figure, factor_report_figure
from tuner.report.templating import fill
from tuner.report.wording import count, setting
from tuner.studies.records.factors import Factor, compare_factors, expected_by_chance


def render_factors(view: StudyView) -> Html | None:
    """Write the section of the factors; None for a study that searches."""
    factors = compare_factors(view.study)
    if not factors:
        return None
    objective = view.study.objective
    overview = differences_report_figure(factors, objective)
    parts = [
        element("p", _warning(factors), class_="note"),
        element("div", render_figure(overview, view), class_="figures") if overview else None,
        *[_render_factor(factor, number, view, objective) for number, factor in enumerate(factors, start=1)],
    ]
    return fill("section", view=view, key="factors", title="One factor at a time", lead=_lead(factors), parts=parts)


def _lead(factors: tuple[Factor, ...]) -> str:
    n_values = sum(len(factor.values) - 1 for factor in factors)
    n_seeds = len(factors[0].default.trials)
    return (
        f"{count(n_values, 'value')} of {count(len(factors), 'hyperparameter')}, each compared with the default while "
        f"all others keep theirs. Every value is trained with the same {count(n_seeds, 'seed')}, and differences are "
        "taken seed by seed. Scores are validation scores."
    )


def _warning(factors: tuple[Factor, ...]) -> str:
    return (
        "\u201cNo difference found\u201d means that the 95\u00a0% interval holds zero: there may be a difference that "
        f"these seeds do not show. Of this many intervals about {expected_by_chance(factors):.1f} miss zero by chance. "
        "They are about seeds: all trials are scored on the same validation images."
    )


def _render_factor(factor: Factor, number: int, view: StudyView, objective: Objective) -> Html:
    figure = factor_report_figure(factor, objective, key=f"factor{number}")
    title = f"{factor.name}: {setting(factor.default.value)} and {count(len(factor.values) - 1, 'other value')}"
    return element(
        "div",
        element(f"h{view.level + 1}", title),
        render_table(factor_table(factor, objective), label=view.unique(f"{factor.name} compared")),
        element("div", render_figure(figure, view), class_="figures") if figure else None,
        class_="block",
    )
