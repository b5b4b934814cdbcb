"""Damaged and hostile files: a reader takes them or refuses them in one line, quickly and within bounds."""

import resource
from pathlib import Path

import pytest
from fuzzing import IS_LONG, SEEDS, expect_an_answer, fuzz
from hypothesis import given
from hypothesis import strategies as st
from mutations import mutate, mutate_text
from readers import FILE_READERS, GOOD_DEFINITION, GOOD_OVERRIDES, GOOD_STORED_DEFINITION, FileReader

from tuner.datasets import large_arrays
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.making import make_definition, read_definition

#: Most bytes that a decoded array may have while these tests run.
_LIMIT_BYTES = 32 * 2**20


@pytest.fixture(autouse=True)
def _low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_arrays, "LARGEST_IN_MEMORY", _LIMIT_BYTES)
    monkeypatch.setattr(large_arrays, "free_disk_bytes", lambda _: 0)


@pytest.mark.timeout(3_600 if IS_LONG else 300)
@pytest.mark.parametrize("reader", FILE_READERS, ids=lambda reader: reader.name)
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


@pytest.mark.timeout(3_600 if IS_LONG else 300)
@pytest.mark.parametrize("name", ["definition", "overrides", "stored definition"])
def test_a_hostile_text_is_read_or_refused_in_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / "study.toml"

    def read(text: str) -> object:
        if name == "overrides":
            return make_definition(space="cnn", dataset="digits", overrides=[text])
        if name == "stored definition":
            return StudyDefinition.from_json(text)
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
        return read_definition(path)

    good = {"definition": [GOOD_DEFINITION], "overrides": GOOD_OVERRIDES, "stored definition": [GOOD_STORED_DEFINITION]}

    @fuzz
    @given(SEEDS, st.sampled_from(good[name]))
    def read_hostile(seed: int, good_text: str) -> None:
        text = mutate_text(good_text, seed)

        expect_an_answer(lambda: read(text))

    read_hostile()


def _write(reader: FileReader, folder: Path) -> None:
    for name, content in reader.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
