import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tuner.errors import TunerError
from tuner.python.builders import BuilderGivenError, place_builder
from tuner.python.source import SourceUnavailableError

Import = Callable[[Path], Any]


@pytest.fixture
def import_nets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Import]:
    """Import a module `nets_of_a_test` with a builder from a folder, as a script does that has it on its path."""

    def write_and_import(folder: Path) -> Any:
        folder.mkdir(exist_ok=True)
        (folder / "nets_of_a_test.py").write_text("def build(hp):\n    return hp\n")
        monkeypatch.syspath_prepend(folder)
        return importlib.import_module("nets_of_a_test")

    yield write_and_import
    sys.modules.pop("nets_of_a_test", None)


def test_text_is_taken_as_it_is(tmp_path: Path) -> None:
    assert place_builder("nets:build", home=tmp_path).space == "nets:build"


def test_a_builder_of_a_module_beside_the_script_is_imported_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, import_nets: Import
) -> None:
    monkeypatch.chdir(tmp_path)

    placed = place_builder(import_nets(tmp_path).build, home=tmp_path / "home")

    assert placed.space == "nets_of_a_test:build"
    assert not (tmp_path / "home").exists()


def test_a_builder_of_a_module_that_workers_would_not_find_is_imported_from_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, import_nets: Import
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    placed = place_builder(import_nets(tmp_path / "there").build, home=tmp_path)

    assert placed.space == f"{tmp_path / 'there' / 'nets_of_a_test.py'}:build"


def test_a_partial_of_a_module_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, import_nets: Import
) -> None:
    monkeypatch.chdir(tmp_path)
    nets = import_nets(tmp_path)
    monkeypatch.setattr(sys.modules["__main__"], "narrow_of_a_test", functools.partial(nets.build), raising=False)

    with pytest.raises(SourceUnavailableError, match="narrow_of_a_test"):
        # This process' main module is pytest's, whose text does not have it.
        place_builder(sys.modules["__main__"].narrow_of_a_test, home=tmp_path)


@pytest.mark.parametrize(
    ("space", "told"),
    [
        (3, "space: received int. Expected a function build"),
        (lambda hp: hp, "it is a lambda without a name. Define it by `def build"),
        (functools.partial(print), "the partial has no name, .* Give it one, as in `builder = partial"),
    ],
)
def test_what_is_no_builder_or_has_no_name_is_one_line(tmp_path: Path, space: Any, told: str) -> None:
    with pytest.raises(TunerError, match=told) as raised:
        place_builder(space, home=tmp_path)

    assert isinstance(raised.value, BuilderGivenError | SourceUnavailableError)
    assert not list(tmp_path.iterdir())


def test_a_builder_within_a_function_is_told(tmp_path: Path) -> None:
    def build(hp: Any) -> Any:
        return hp

    with pytest.raises(SourceUnavailableError, match="is defined within another function"):
        place_builder(build, home=tmp_path)
