"""The chaos harness in short; `python -m chaos` runs it in full."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from chaos import __main__ as command
from chaos.fleet import Fleet
from chaos.rounds import RoundSettings, run_round


def test_nothing_is_lost_whatever_dies_postgres_too(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--workers", "4", "--trials", "10", "--kills", "6", "--restarts", "2", "--epoch-s", "0.1"]
    monkeypatch.setattr("sys.argv", ["chaos", "--seed", "7", *flags])
    # Its own would import everything once more.
    monkeypatch.setattr(command, "Fleet", lambda: nullcontext(fleet))

    with pytest.raises(SystemExit) as ended:
        command.main()

    assert not ended.value.code, capsys.readouterr().err


def test_nothing_is_lost_of_five_studies_that_share_their_workers(
    fleet: Fleet, postgres_url: str, tmp_path: Path
) -> None:
    settings = RoundSettings(seed=3, studies=5, n_workers=3, trials=10, epochs=3, kills=3, restarts=0, epoch_s=0.05)

    verdict = run_round(settings, fleet, url=postgres_url, folder=tmp_path)

    assert list(settings.sizes().values()) == [1, 1, 2, 3, 3]
    assert verdict.violations == [], settings.command()
    assert verdict.faults["kill -9"] > 0


def test_nothing_is_lost_on_sqlite_whatever_dies_with_several_leases_too(
    fleet: Fleet, sqlite_url: str, tmp_path: Path
) -> None:
    settings = RoundSettings(
        seed=7, sqlite=True, n_workers=2, trials=6, kills=4, restarts=0, epoch_s=0.1, objectives=True, at_once=3
    )

    verdict = run_round(settings, fleet, url=sqlite_url, folder=tmp_path)

    assert verdict.violations == [], settings.command()
    assert verdict.faults["kill -9"] > 0
    assert max(verdict.together) == 3
