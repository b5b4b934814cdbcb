"""The comparison of one factor at a time in words, for the page and the terminal. Knows no Plotly."""

from tuner.objectives import Objective
from tuner.report.markup import Table
from tuner.report.wording import listing, setting, signed
from tuner.studies.records.factors import ComparedValue, Factor


def factor_table(factor: Factor, objective: Objective) -> Table:
    """Return the table of one factor: scores, the difference from the default and what follows from it."""
    rows = [
        (
            name_value(value),
            str(len(value.scores)),
            write_spread(value, objective),
            None if value.difference is None else signed(value.difference, objective),
            write_interval(value, objective),
            "; ".join(filter(None, ["" if value.is_default else value.verdict, _tell_missing(value)])),
        )
        for value in factor.in_order
    ]
    unit = " (points)" if objective.written_as == "percent" else ""
    return Table(
        headers=(
            factor.name,
            "Seeds",
            f"{objective.title}, mean ± sd",
            f"Difference from the default{unit}",
            "95\u00a0% interval",
            "Finding",
        ),
        rows=rows,
    )


def _tell_missing(value: ComparedValue) -> str:
    """Say which trials the comparison lacks."""
    states = {"pruned": 0, "failed": 0, "running": 0, "waiting": 0}
    for trial in value.trials:
        if trial.state in states:
            states[trial.state] += 1
    told = [f"{number} {state}" for state, number in states.items() if number]
    return f"{listing(told)}, not counted" if told else ""


def name_value(value: ComparedValue) -> str:
    """Write a value, and that it is the default."""
    return f"{setting(value.value)} (default)" if value.is_default else setting(value.value)


def write_interval(value: ComparedValue, objective: Objective) -> str | None:
    """Write both ends of a difference's interval; None where there is none."""
    if value.interval is None:
        return None
    low, high = value.interval
    return f"{signed(low, objective)} to {signed(high, objective)}"


def write_spread(value: ComparedValue, objective: Objective) -> str | None:
    """Write the mean of a value's scores and their standard deviation; None without a score."""
    if value.mean is None:
        return None
    if value.sd is None:
        return objective.format(value.mean)
    sd = f"{100 * value.sd:.2f}" if objective.written_as == "percent" else f"{value.sd:.2g}"
    return f"{objective.format(value.mean)} ± {sd}".replace(" ± ", "\u00a0±\u00a0")
