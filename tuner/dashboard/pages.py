"""tuner's own pages: their common frame, the start page, the fleet page, the sign-in form and error messages."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any
from urllib.parse import quote

from tuner.dashboard.policies import page_policy
from tuner.objectives import Objective
from tuner.report.document import page_style, sources_of
from tuner.report.markup import Cell, Child, Html, Table, element, join, render_table
from tuner.report.wording import STATE_WORDS, tested_accuracy, write_best
from tuner.studies.progress import StudyProgress
from tuner.studies.records import FinalRecord


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


def start_page(studies: Sequence[ListedStudy], *, signed_in: bool) -> Page:
    """List the studies with links to the report and to Optuna Dashboard."""
    if not studies:
        body = element("p", "No studies yet. Create one: ", element("code", "tuner study create --space cnn"))
        return _page("Studies", element("section", body), signed_in=signed_in)
    form = element(
        "form",
        _studies_table(studies),
        element("button", "Compare the chosen ones in one report", type="submit", class_="button")
        if len(studies) > 1
        else None,
        action="/report",
        method="get",
    )
    return _page("Studies", element("section", form), signed_in=signed_in)


def fleet_page(fleet: Mapping[str, Any], *, signed_in: bool) -> Page:
    """Show the workers and their progress; the page's script draws these values and fetches new ones."""
    main = join(
        [
            element("p", id="summary", class_="lead", role="status"),
            element("p", id="trouble", class_="warning", role="alert", hidden=True),
            _live_section("workers", "Workers"),
            _live_section("progress", "Studies"),
            element("noscript", element("p", "This page needs JavaScript; `tuner status --watch` does not.")),
        ]
    )
    return _page("Fleet", main, signed_in=signed_in, script="fleet.js", data=fleet)


def login_page(*, next_path: str, problem: str | None) -> Page:
    """Ask for the token."""
    form = element(
        "form",
        element("p", problem, class_="warning", role="alert", id="problem") if problem else None,
        element("label", "Token", for_="token"),
        element(
            "input",
            id="token",
            name="token",
            type="password",
            autocomplete="current-password",
            required=True,
            autofocus=True,
            aria_describedby="problem" if problem else "hint",
        ),
        element("input", name="next", type="hidden", value=next_path),
        element("button", "Sign in", type="submit", class_="button"),
        element("p", "The one that the dashboard was started with.", class_="note", id="hint"),
        action="/login",
        method="post",
        class_="login",
    )
    return _page("Sign in", form, signed_in=None)


def message_page(title: str, text: str, *, signed_in: bool) -> Page:
    """Show one message, such as that a study does not exist."""
    return _page(title, element("p", text), signed_in=signed_in)


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
    return progress.state if progress.stop_reason is None else f"{progress.state}: {progress.stop_reason}"


def _choice(name: str) -> Html:
    return element("input", type="checkbox", name="study", value=name, aria_label=f"Compare {name}")


def _live_section(key: str, title: str) -> Html:
    return element(
        "section", element("h2", title, id=f"{key}-title"), element("div", id=key), aria_labelledby=f"{key}-title"
    )


def _page(
    title: str,
    main: Html,
    *,
    signed_in: bool | None,
    script: str | None = None,
    data: Mapping[str, Any] | None = None,
) -> Page:
    """Build one of tuner's pages.

    Args:
        title: Of the page and its window.
        main: What it shows.
        signed_in: Whether the visitor can sign out; None before signing in.
        script: Name of its script among the assets.
        data: Values for the script.
    """
    code = _asset(script) if script else ""
    style = page_style() + _asset("dashboard.css")
    html = Template(_asset("page.html")).substitute(
        title=element("title", f"{title} · tuner"),
        style=style,
        navigation="" if signed_in is None else _navigation(title, signed_in=signed_in),
        heading=element("h1", title),
        main=main,
        data="" if data is None else element("script", _as_script(data), type="application/json", id="data"),
        script=f"<script>{code}</script>" if code else "",
    )
    policy = page_policy(scripts=sources_of(code) if code else "'none'", styles=sources_of(style))
    return Page(html=html, headers={"Content-Security-Policy": policy})


def _navigation(title: str, *, signed_in: bool) -> Html:
    places = (("Studies", "/"), ("Fleet", "/fleet"), ("Optuna Dashboard", "/dashboard"))
    items = [
        element("li", element("a", name, href=path, aria_current="page" if name == title else None))
        for name, path in places
    ]
    if signed_in:
        leave = element("button", "Sign out", type="submit", class_="button")
        items.append(element("li", element("form", leave, action="/logout", method="post")))
    return element("nav", element("ul", *items), aria_label="Site")


def _as_script(data: Mapping[str, Any]) -> Html:
    # `<` would end the script element.
    return Html(json.dumps(data, allow_nan=False).replace("<", "\\u003c"))


@cache
def _asset(name: str) -> str:
    return (files("tuner.dashboard") / "assets" / name).read_text(encoding="utf-8")
