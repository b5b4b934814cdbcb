"""tuner's own pages: their common frame, the start page, the fleet page, the sign-in form and error messages."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, TypedDict
from urllib.parse import quote

from jinja2 import Environment

from tuner.dashboard.policies import page_policy
from tuner.objectives import Objective
from tuner.plain_values import JSONObject
from tuner.report.document import page_style, sources_of
from tuner.report.markup import Cell, Child, Html, Table, element, render_table
from tuner.report.templating import open_templates
from tuner.report.wording import STATE_WORDS, tested_accuracy, write_best
from tuner.studies.progress import StudyProgress
from tuner.studies.records.finals import FinalRecord


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page with the content security policy that allows its own script and no other."""

    html: str
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class ListedStudy:
    """A study on the start page."""

    progress: StudyProgress
    space: str
    dataset: str
    #: Optuna's id of the study.
    optuna_study_id: int
    objective: Objective
    #: The winner of its finals; None while there is none.
    winner: FinalRecord | None = None


class FleetValues(TypedDict):
    """What the fleet page shows, of JSON's types."""

    #: ISO 8601, UTC.
    now: str
    trials_per_hour: float | None
    time_left_s: float | None
    #: As `WorkerRecord`, with `epochs`, `objective` and `curve`.
    workers: list[JSONObject]
    #: As `StudyProgress`, with `failures`, `objective` and the paths of the study's pages.
    studies: list[JSONObject]


def start_page(studies: Sequence[ListedStudy], *, signed_in: bool) -> Page:
    """List the studies with links to the report and to Optuna Dashboard."""
    table = _studies_table(studies) if studies else None
    return _page("start", title="Studies", signed_in=signed_in, table=table, can_compare=len(studies) > 1)


def fleet_page(fleet: FleetValues, *, signed_in: bool) -> Page:
    """Show the workers and their progress; the page's script draws these values and fetches new ones."""
    return _page("fleet", title="Fleet", script=_asset("fleet.js"), signed_in=signed_in, data=_as_script(fleet))


def login_page(*, next_path: str, problem: str | None) -> Page:
    """Ask for the token."""
    return _page("login", title="Sign in", next_path=next_path, problem=problem)


def message_page(title: str, text: str, *, signed_in: bool) -> Page:
    """Show one message, such as that a study does not exist."""
    return _page("message", title=title, signed_in=signed_in, text=text)


def report_path(*names: str) -> str:
    """Return the path of the report of these studies."""
    if len(names) == 1:
        return f"/report/{quote(names[0], safe='')}"
    return "/report?" + "&".join(f"study={quote(name, safe='')}" for name in names)


def _studies_table(studies: Sequence[ListedStudy]) -> Html:
    several = len(studies) > 1
    headers = ["Study", "Test accuracy", "Best in the search", "State", "Trials", "Dataset", "Space", "Also in"]
    rows = [_study_row(study) for study in studies]
    if several:
        headers = ["Study", "Compare", *headers[1:]]
        rows = [[row[0], _choice(study.progress.name), *row[1:]] for row, study in zip(rows, studies, strict=True)]
    return render_table(Table(headers=headers, rows=rows), label="Studies")


def _study_row(study: ListedStudy) -> list[Child | Cell]:
    progress = study.progress
    optuna = element(
        "a",
        "Optuna Dashboard",
        href=f"/dashboard/studies/{study.optuna_study_id}",
        aria_label=f"{progress.name} in Optuna Dashboard",
    )
    return [
        element("a", progress.name, href=report_path(progress.name), aria_label=f"Report of {progress.name}"),
        None if study.winner is None else tested_accuracy(study.winner),
        write_best(progress.best_score, study.objective, front=progress.front),
        _state(progress),
        f"{progress.finished:,} of {progress.budget:,}",
        _last_part(study.dataset),
        _last_part(study.space),
        optuna,
    ]


def _last_part(place: str) -> Html:
    """Write the last part of a path; a mouse that rests on it shows the whole."""
    return element("span", place.rstrip("/").rpartition("/")[2], title=place)


def _state(progress: StudyProgress) -> str:
    if progress.state == "finals":
        done = f"{progress.finals_done} of {progress.finals_planned} trainings" if progress.finals_planned else "begins"
        return f"{STATE_WORDS[progress.state]}: {done}"
    if progress.stop_reason is None:
        return progress.state
    # Of failures only their number: the report has the last one.
    return f"{progress.state}: {progress.stop_reason.partition(', the last: ')[0]}"


def _choice(name: str) -> Html:
    return element("input", type="checkbox", name="study", value=name, aria_label=f"Compare {name}")


def _page(template: str, *, title: str, script: str = "", **values: Any) -> Page:
    """Build one of tuner's pages.

    Args:
        template: Its name.
        title: Of the page and its window.
        script: Code that the page runs.
        values: What the template shows.
    """
    style = page_style() + _asset("dashboard.css")
    html = (
        _templates()
        .get_template(f"{template}.html")
        .render(title=title, style=Html(style), script=Html(script), **values)
    )
    policy = page_policy(scripts=sources_of(script) if script else "'none'", styles=sources_of(style))
    return Page(html=html, headers={"Content-Security-Policy": policy})


def _as_script(data: FleetValues) -> Html:
    # `<` would end the script element.
    return Html(json.dumps(data, allow_nan=False).replace("<", "\\u003c"))


@cache
def _templates() -> Environment:
    return open_templates("tuner.dashboard")


@cache
def _asset(name: str) -> str:
    return (files("tuner.dashboard") / "assets" / name).read_text(encoding="utf-8")
