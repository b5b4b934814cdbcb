"""The chaos harness in short; `python -m chaos` runs it in full."""

import subprocess
import sys
from pathlib import Path

from chaos.fleet import Fleet
from chaos.rounds import RoundSettings, run_round

TESTS = Path(__file__).parents[1]


def test_nothing_is_lost_whatever_dies_postgres_too() -> None:
    flags = ["--workers", "4", "--trials", "10", "--kills", "6", "--restarts", "2", "--epoch-s", "0.1"]

    done = subprocess.run(
        [sys.executable, "-m", "chaos", "--seed", "7", *flags],
        cwd=TESTS,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_nothing_is_lost_of_five_studies_that_share_their_workers(
    fleet: Fleet, postgres_url: str, tmp_path: Path
) -> None:
    settings = RoundSettings(seed=3, studies=5, n_workers=3, trials=10, epochs=3, kills=3, restarts=0, epoch_s=0.05)

    verdict = run_round(settings, fleet, url=postgres_url, folder=tmp_path)

    assert list(settings.sizes().values()) == [1, 1, 2, 3, 3]
    assert verdict.violations == [], settings.command()
    assert verdict.faults["kill -9"] > 0


def test_nothing_is_lost_on_sqlite_whatever_dies(fleet: Fleet, sqlite_url: str, tmp_path: Path) -> None:
    settings = RoundSettings(
        seed=7, sqlite=True, n_workers=2, trials=6, kills=4, restarts=0, epoch_s=0.1, objectives=True
    )

    verdict = run_round(settings, fleet, url=sqlite_url, folder=tmp_path)

    assert verdict.violations == [], settings.command()
    assert verdict.faults["kill -9"] > 0
