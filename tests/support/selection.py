"""A plugin of pytest's: what this machine cannot run is left out, and said in the summary; files that share a start.

Tests that need all 70,000 images of MNIST are skipped where `TUNER_DATA` does not hold them. Tests that need a browser
are deselected where none starts, in one loud line; with `TUNER_NEED_BROWSER` set, as in CI, they fail instead.
"""

import os
from typing import Any

import pytest

from support.browsers import why_no_browser
from support.mnist import is_whole_mnist
from tuner.settings import read_settings

_LEFT_OUT = pytest.StashKey[str]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    _mark_tests_of_the_whole_mnist(_that_take("data_dir", items))
    of_a_browser = _that_take("playwright", items)
    if of_a_browser and not os.environ.get("TUNER_NEED_BROWSER") and why_no_browser():
        config.hook.pytest_deselected(items=of_a_browser)
        items[:] = [item for item in items if item not in of_a_browser]
        config.stash[_LEFT_OUT] = f"{len(of_a_browser)} browser tests were NOT RUN: {why_no_browser()}"


def _mark_tests_of_the_whole_mnist(items: list[pytest.Item]) -> None:
    folder = read_settings().data_dir / "mnist"
    skip = pytest.mark.skip(
        f"needs all 70,000 images of MNIST, which are not in {folder}: `tuner dataset fetch mnist` gets them, "
        "and TUNER_DATA names a folder that holds mnist/*.gz"
    )
    is_missing = not is_whole_mnist(folder)
    for item in items:
        item.add_marker("full_mnist")
        if is_missing:
            item.add_marker(skip)


def _that_take(fixture: str, items: list[pytest.Item]) -> list[pytest.Item]:
    return [item for item in items if fixture in getattr(item, "fixturenames", ())]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell pytest-xdist's main process, which collects no tests, what this one left out."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["left_out"] = session.config.stash.get(_LEFT_OUT, "")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let few processes keep together what shares a costly start; None is pytest-xdist's own way."""
    from support.scheduling import FEW_PROCESSES, SharedStarts

    is_by_file = config.getoption("dist") == "loadfile" and (config.getoption("numprocesses") or 0) <= FEW_PROCESSES
    return SharedStarts(config, log) if is_by_file else None


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take note of what a worker of pytest-xdist left out; all of them leave out the same."""
    if left_out := getattr(node, "workeroutput", {}).get("left_out"):
        node.config.stash[_LEFT_OUT] = left_out


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if left_out := config.stash.get(_LEFT_OUT, ""):
        terminalreporter.write_line(f"{left_out}. Install Chromium to run them.", red=True, bold=True)
