import json
import subprocess
import sys

import pytest

from tuner.cli.output import format_duration, format_percent, print_json


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [
        (None, "-"),
        (0, "0.0 s"),
        (0.44, "0.4 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7_620, "2 h 07 min"),
        (273_600, "3 d 04 h"),
    ],
)
def test_durations_read_as_people_say_them(duration_s: float | None, text: str) -> None:
    assert format_duration(duration_s) == text


@pytest.mark.parametrize(("fraction", "text"), [(0.99123, "99.12 %"), (1.0, "100.00 %"), (None, "-")])
def test_fractions_read_as_percentages(fraction: float | None, text: str) -> None:
    assert format_percent(fraction) == text


def test_json_survives_names_of_any_alphabet_and_no_alphabet(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"class": "お", "file": "not-utf8-\udcff.png"}

    print_json(value)

    printed = capsys.readouterr().out
    assert printed.isascii()
    assert json.loads(printed) == value


def test_json_has_no_numbers_that_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        print_json({"loss": float("nan")})

    assert capsys.readouterr().out == ""


def test_speaking_needs_nothing_heavy() -> None:
    command = "import sys, tuner.cli.output; assert not {'rich', 'keras', 'optuna', 'numpy'} & sys.modules.keys()"

    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0
