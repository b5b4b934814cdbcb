import subprocess
import sys
from importlib.metadata import version

import pytest

import tuner


@pytest.mark.parametrize("name", tuner.__all__)
def test_a_public_name_is_there_and_says_what_it_is(name: str) -> None:
    assert getattr(tuner, name).__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        tuner.nope  # noqa: B018 - the look-up is the test


def test_completion_finds_the_public_names_and_the_version() -> None:
    assert {*tuner.__all__, "__version__"} <= set(dir(tuner))
    assert tuner.__version__ == version("tuner")


def test_the_import_loads_nothing_slow() -> None:
    code = "import sys, tuner; print({'keras', 'optuna', 'numpy', 'pydantic'} & set(sys.modules))"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert loaded == "set()\n"
