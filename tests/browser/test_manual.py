"""The manual as a reader has it: built strictly, opened from disk or from a server, without any other network."""

import functools
import http.server
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from playwright.sync_api import BrowserContext, Request, expect

from tuner.cli import app
from tuner.studies.definitions.settings_reference import list_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    # The theme announces the end of its maintenance; decision 32 knows of it.
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


@pytest.fixture(params=["from disk", "from a server"])
def address(request: pytest.FixtureRequest, site: Path) -> Iterator[str]:
    if request.param == "from disk":
        yield site.as_uri()
        return
    handler = functools.partial(_QuietHandler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        logging.getLogger(__name__).debug(format, *args)


def test_search_finds_a_setting_and_asks_nobody_else(context: BrowserContext, address: str) -> None:
    page = context.new_page()
    asked: list[str] = []
    errors: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    page.on("request", note)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(f"{address}/index.html")
    # The theme's script has begun to listen.
    expect(page.locator("html.js")).to_be_attached(timeout=20_000)
    page.get_by_role("textbox", name="Search").fill("reduction_factor")

    found = page.locator('.md-search-result a[href*="settings.html"][href$="#search.pruning"]')
    expect(found).to_be_visible(timeout=20_000)
    assert not errors
    assert all(url.startswith((address, "data:", "blob:")) for url in asked)


def test_the_page_of_commands_has_every_command_and_option(site: Path) -> None:
    page = (site / "commands.html").read_text()

    def check(command: Any, words: tuple[str, ...]) -> None:
        assert f'id="{"-".join(words)}"' in page
        for parameter in command.params:
            assert parameter.hidden or parameter.opts[0].removeprefix("--") in page
        for name, inner in getattr(command, "commands", {}).items():
            check(inner, (*words, name))

    check(typer.main.get_command(app), ("tuner",))


def test_the_page_of_settings_has_every_setting_and_fits_a_phone(context: BrowserContext, site: Path) -> None:
    page = context.new_page()
    page.set_viewport_size({"width": 390, "height": 900})
    page.goto(f"{site.as_uri()}/settings.html")

    for section in list_settings():
        for setting in section.settings:
            assert page.locator(f'[id="{setting.key}"]').count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator('tr:has([id="search.pruning.percentile"])').bounding_box()["width"] < 390  # type: ignore[index]
