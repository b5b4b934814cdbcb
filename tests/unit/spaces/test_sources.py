"""Which files a person's own builder consists of, and their hash."""

import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

import pytest

from tuner.spaces.sources import SourceUnreadableError, read_sources
from tuner.spaces.space import Space

Write = Callable[[Mapping[str, str]], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write files by path into a folder on the import path, whose modules are forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "modules", dict(sys.modules))

    def write_files(files: Mapping[str, str]) -> None:
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)

    return write_files


def sources_of(name: str) -> Mapping[str, bytes]:
    importlib.invalidate_caches()
    return read_sources(importlib.import_module(name))


def sha256_of(sources: Mapping[str, bytes]) -> str | None:
    return Space(name="", description="", build=print, help={}, sources=sources).source_sha256


def test_a_module_and_what_it_imports_beside_it_are_read(write: Write) -> None:
    write({
        "my_nets.py": "import json\nimport my_blocks as b\nfrom my_parts.dense import wide\n",
        "my_blocks.py": "def late():\n    import my_late\n",
        "my_late.py": "",
        "my_parts/__init__.py": "from . import shared\n",
        "my_parts/shared.py": "from .deep import most\n",
        "my_parts/deep/__init__.py": "from .most import x\n",
        "my_parts/deep/most.py": "x = 1\n",
        "my_parts/dense.py": "wide = 1\n",
        "my_parts/other.py": "",
        "my_notes.py": "",
        "json.py": "raise ImportError",
    })  # fmt: skip

    assert list(sources_of("my_nets")) == [
        "json.py",
        "my_blocks.py",
        "my_late.py",
        "my_nets.py",
        "my_parts/__init__.py",
        "my_parts/deep/__init__.py",
        "my_parts/deep/most.py",
        "my_parts/dense.py",
        "my_parts/shared.py",
    ]


def test_a_module_in_a_package_is_read_from_the_folder_that_holds_the_package(write: Write) -> None:
    write({"one/two/nets.py": "from ..shared import x\n", "one/shared.py": "x = 1\n", "one/__init__.py": ""})

    assert list(sources_of("one.two.nets")) == ["one/__init__.py", "one/shared.py", "one/two/nets.py"]


def test_modules_that_import_each_other_are_read_once(write: Write) -> None:
    write({"hen.py": "import egg\n", "egg.py": "import hen\n"})

    assert list(sources_of("hen")) == ["egg.py", "hen.py"]


def test_the_hash_is_that_of_names_and_content(write: Write) -> None:
    write({"net_a.py": "import net_b\n", "net_b.py": "x = 1\n"})
    first = sources_of("net_a")

    write({"net_b.py": "x = 2\n"})
    unchanged = sources_of("net_a")
    for name in ("net_a", "net_b"):
        del sys.modules[name]
    changed = sources_of("net_a")

    # What this process runs is what it has imported.
    assert unchanged == first
    assert sha256_of(changed) != sha256_of(first)
    assert sha256_of(dict(reversed(first.items()))) == sha256_of(first)
    assert sha256_of({"net_c.py" if path == "net_a.py" else path: text for path, text in first.items()}) != sha256_of(
        first
    )


@pytest.mark.parametrize("name", ["json", "numpy.linalg"])
def test_what_is_installed_has_no_source_of_a_builder(name: str) -> None:
    assert sources_of(name) == {}


def test_a_module_without_a_file_has_no_source() -> None:
    assert read_sources(ModuleType("notebook")) == {}
    assert sha256_of({}) is None


def test_files_of_no_python_are_hashed_and_not_searched(write: Write) -> None:
    write({"odd_net.py": "try:\n    import odd_old\nexcept SyntaxError:\n    pass\n", "odd_old.py": "print 'old'\n"})

    assert list(sources_of("odd_net")) == ["odd_net.py", "odd_old.py"]


def test_large_sources_are_cut_aloud(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    write({"big_net.py": "import big_table\nimport big_rest\n", "big_rest.py": "", "big_table.py": "#" * 2**22})

    found = sources_of("big_net")

    assert list(found) == ["big_net.py", "big_rest.py"]
    assert [record.getMessage().partition(": ")[0] for record in caplog.records] == [
        "The source files of the builder big_net exceed 4 MiB"
    ]
    assert "big_table.py and the modules that it imports are neither hashed nor kept" in caplog.text


def test_sources_below_the_limit_are_read_without_a_word(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    write({"fit_net.py": "import fit_table\n", "fit_table.py": "#" * (2**22 - 17)})

    assert list(map(len, sources_of("fit_net").values())) == [17, 2**22 - 17]
    assert not caplog.records


def test_a_source_that_cannot_be_read_is_named(write: Write, tmp_path: Path) -> None:
    write({"dim_net.py": "def late():\n    import dim_part\n"})
    # Root, too, reads nothing there.
    (tmp_path / "dim_part.py").symlink_to("/proc/self/mem")

    with pytest.raises(
        SourceUnreadableError, match=r"^Cannot read .*/dim_part\.py, .* the builder dim_net: Input/output"
    ):
        sources_of("dim_net")


@pytest.mark.parametrize("name", ["a" * 300, "wide_net.missing", ".".join("abc")])
def test_an_import_of_what_no_file_could_be_called_is_none(name: str, write: Write) -> None:
    write({"wide_net.py": f"def late():\n    import {name}\n"})

    assert list(sources_of("wide_net")) == ["wide_net.py"]


def test_a_file_too_deep_for_pythons_parser_is_hashed(write: Write) -> None:
    write({"deep_net.py": "def late():\n    import deep_sum\n", "deep_sum.py": f"x = {'-' * 100_000}1\n"})

    assert list(sources_of("deep_net")) == ["deep_net.py", "deep_sum.py"]
