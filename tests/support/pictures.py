"""Draw the README's pictures into a folder: `make pictures`.

They show what is there: the finished study of `studies/digits.toml`, searched, retrained and tested for them, and two
workers that train for a second study. It takes minutes.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from support.browsers import launch_browser
from support.dashboard_process import running_dashboard
from tuner.studies.database.storage import open_storage
from tuner.studies.lifecycle import find_study

_DEFINITION = Path(__file__).parents[2] / "studies" / "digits.toml"
_TIMEOUT_S = 1200
#: Two workers are there, and each has trained four epochs of its trial.
_TRAINING = """() => {
    const cards = [...document.querySelectorAll("[data-worker]")];
    const epochs = cards.map((card) => Number(/epoch (\\d+) of/.exec(card.textContent)?.[1] ?? 0));
    return epochs.length == 2 && Math.min(...epochs) >= 4;
}"""


def main() -> None:
    """Search and make the finals, then take the pictures."""
    pictures = Path(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="tuner-pictures-") as home:
        url, artifacts = f"sqlite:///{home}/tuner.db", f"{home}/artifacts"
        environment = {**os.environ, "TUNER_HOME": home, "TUNER_STORAGE": url, "TUNER_ARTIFACTS": artifacts}
        _run("run", str(_DEFINITION), environment=environment)
        _run("study", "create", str(_DEFINITION), "--name", "digits-longer", "--set", "search.trials=60",
             "--set", "search.epochs=60", "--set", "search.pruner=none", environment=environment)  # fmt: skip
        with open_storage(url) as storage:
            number = find_study(storage, "digits").optuna_study_id
        with (
            running_workers(environment),
            running_dashboard(url, artifacts) as (address, _),
            sync_playwright() as played,
        ):
            browser = launch_browser(played)
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            page.set_default_timeout(_TIMEOUT_S * 1000)
            draw_fleet(page, address, pictures / "fleet.png")
            draw_note(page, address, number, pictures / "optuna-dashboard.png")
            draw_report(page, address, pictures / "report.png")
            browser.close()


@contextmanager
def running_workers(environment: Mapping[str, str]) -> Iterator[None]:
    """Let two workers train for the second study until the block ends."""
    pool = subprocess.Popen([sys.executable, "-m", "tuner", "workers", "-n", "2", "digits-longer"], env=environment)
    try:
        yield
    finally:
        pool.terminate()
        pool.wait()


def draw_fleet(page: Page, address: str, path: Path) -> None:
    """Take the fleet page as soon as both workers have curves."""
    page.goto(f"{address}/fleet")
    page.wait_for_function(_TRAINING)
    page.screenshot(path=path)


def draw_note(page: Page, address: str, number: int, path: Path) -> None:
    """Take the note that workers leave in Optuna Dashboard."""
    page.goto(f"{address}/dashboard/studies/{number}/note")
    page.get_by_text("Searches").first.wait_for()
    page.wait_for_load_state("networkidle")
    page.screenshot(path=path)


def draw_report(page: Page, address: str, path: Path) -> None:
    """Take the head of the report."""
    page.set_viewport_size({"width": 1200, "height": 1250})
    page.goto(f"{address}/report/digits")
    page.locator(".big").first.wait_for()
    page.screenshot(path=path)


def _run(*words: str, environment: Mapping[str, str]) -> None:
    subprocess.run([sys.executable, "-m", "tuner", *words], env=environment, check=True)


if __name__ == "__main__":
    main()
