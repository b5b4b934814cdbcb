import json
import subprocess
import sys

import pytest

from tuner.cli.output import format_duration, format_percent, print_json
from tuner.report.wording import duration, percent


def test_numbers_read_as_in_the_report_with_plain_spaces_and_dashes() -> None:
    assert format_percent(0.99123) == "99.12 %" == percent(0.99123).replace("\u00a0", " ")
    assert format_percent(1.0, digits=1) == "100.0 %"
    assert format_percent(None) == "-"
    assert format_duration(185) == "3 min 05 s" == duration(185).replace("\u00a0", " ")
    assert format_duration(None) == "-"


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
