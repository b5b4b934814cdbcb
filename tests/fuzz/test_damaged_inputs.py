"""Damaged and hostile files: a reader takes them or refuses them in one line, quickly and within bounds."""

import resource
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from fuzzing import IS_LONG, SEEDS, expect_an_answer, fuzz
from hypothesis import given
from hypothesis import strategies as st
from model_readers import MODEL_READERS
from mutations import mutate, mutate_text
from readers import (
    FILE_READERS,
    GOOD_DEFINITIONS,
    GOOD_FACTORS,
    GOOD_OVERRIDES,
    GOOD_STORED_DEFINITION,
    GOOD_TABLES,
    GOOD_URLS,
    FileReader,
)

from tuner.datasets import large_arrays
from tuner.datasets.formats.picture_table import read_picture_table
from tuner.studies.database.url import parse_url, printable_url, without_secrets
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.making import make_definition, read_definition
from tuner.studies.definitions.overrides import parse_factors
from tuner.studies.definitions.written_range import write_learning_rate

#: Most bytes that a decoded array may have while these tests run.
_LIMIT_BYTES = 32 * 2**20


@pytest.fixture(autouse=True)
def _low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_arrays, "LARGEST_IN_MEMORY", _LIMIT_BYTES)
    monkeypatch.setattr(large_arrays, "free_disk_bytes", lambda _: 0)


@pytest.mark.timeout(3_600 if IS_LONG else 300)
@pytest.mark.parametrize("reader", [*FILE_READERS, *MODEL_READERS], ids=lambda reader: reader.name)
def test_a_damaged_file_is_read_or_refused_in_one_line_within_bounds(reader: FileReader, tmp_path: Path) -> None:
    _write(reader, tmp_path)
    reader.read(tmp_path)
    before_bytes = _peak_bytes()

    @fuzz
    @given(SEEDS, st.sampled_from(sorted(reader.files)))
    def read_damaged(seed: int, name: str) -> None:
        (tmp_path / name).write_bytes(mutate(reader.files[name], seed))

        expect_an_answer(lambda: reader.read(tmp_path))

        (tmp_path / name).write_bytes(reader.files[name])

    read_damaged()
    assert _peak_bytes() - before_bytes < 4 * _LIMIT_BYTES


def _read_table(folder: Path, text: str, *, name: str) -> object:
    (folder / name).write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
    return read_picture_table(folder / name)


def _read_study(folder: Path, text: str) -> object:
    (folder / "study.toml").write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
    return read_definition(folder / "study.toml")


def _write_rate(folder: Path, text: str) -> object:
    _read_study(folder, text)
    write_learning_rate(folder / "study.toml", low=1e-4, high=1e-2)
    return read_definition(folder / "study.toml")


def _read_url(_: Path, text: str) -> object:
    # What is printed of it, whether it is understood or not, is one line.
    assert "\n" not in printable_url(text)
    without_secrets("could not connect", text)
    return parse_url(text)


#: What reads a text, in a folder of its own, and good texts.
TEXT_READERS: Mapping[str, tuple[Callable[[Path, str], object], Sequence[str]]] = {
    "definition": (_read_study, GOOD_DEFINITIONS),
    "definition that is written to": (_write_rate, GOOD_DEFINITIONS),
    "overrides": (
        lambda _, text: make_definition(space="cnn", dataset="digits", overrides=[text]),
        GOOD_OVERRIDES,
    ),
    "factors": (lambda _, text: parse_factors([text]), GOOD_FACTORS),
    "stored definition": (lambda _, text: StudyDefinition.from_json(text), [GOOD_STORED_DEFINITION]),
    "database": (_read_url, GOOD_URLS),
    **{
        name: (lambda folder, text, name=name: _read_table(folder, text, name=name), [good])  # type: ignore[misc]
        for name, good in GOOD_TABLES.items()
    },
}


@pytest.mark.timeout(3_600 if IS_LONG else 300)
@pytest.mark.parametrize("name", TEXT_READERS)
def test_a_hostile_text_is_read_or_refused_in_one_line(name: str, tmp_path: Path) -> None:
    read, good = TEXT_READERS[name]

    @fuzz
    @given(SEEDS, st.sampled_from(good))
    def read_hostile(seed: int, good_text: str) -> None:
        text = mutate_text(good_text, seed)

        expect_an_answer(lambda: read(tmp_path, text))

    read_hostile()


def _write(reader: FileReader, folder: Path) -> None:
    for name, content in reader.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
