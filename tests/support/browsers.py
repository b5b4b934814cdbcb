"""The browser of the tests: a Chromium of this machine, else the one that Playwright's own installer fetches.

    python -m support.browsers

fetches that one where no browser starts. `make test` does so before the tests, which use no network, and goes on
without a browser where the installer cannot be reached or the machine lacks libraries.
"""

import shutil
import subprocess
import sys
from functools import cache

from playwright.sync_api import Browser, Error, Playwright, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: It goes nowhere by itself.
_OFFLINE = (
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
#: An installer that gets no answer tries for minutes.
_FETCH_TIMEOUT_S = 240


def launch_browser(playwright: Playwright) -> Browser:
    """Start the machine's Chromium without a window, or Playwright's own where the machine has none.

    Raises:
        playwright.sync_api.Error: It is not there, or does not start.
    """
    return playwright.chromium.launch(executable_path=_installed_browser(), args=_OFFLINE)


@cache
def why_no_browser() -> str:
    """Return why no browser can be used, in a line; nothing where one can."""
    if _installed_browser() is not None:
        return ""
    try:
        with sync_playwright() as playwright:
            launch_browser(playwright).close()
    except Error as error:
        return f"none is installed, and Playwright's own does not start: {_first_sentence(error.message)}"
    return ""


def main() -> None:
    """Fetch Playwright's own browser where none starts; a failure is the tests' to tell."""
    if why_no_browser():
        command = [sys.executable, "-m", "playwright", "install", "--only-shell", "--no-progress", "chromium"]
        try:
            subprocess.run(command, capture_output=True, check=False, timeout=_FETCH_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return


def _installed_browser() -> str | None:
    return next((path for path in map(shutil.which, _NAMES) if path), None)


def _first_sentence(message: str) -> str:
    """Return the first line that says something, out of the box that Playwright draws around it."""
    lines = (line.removeprefix("BrowserType.launch:").strip(" ║╔╗╚╝═") for line in message.splitlines())
    return next(filter(None, lines), "it gives no reason")


if __name__ == "__main__":
    main()
