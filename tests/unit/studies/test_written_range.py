from pathlib import Path

import pytest

from tuner.studies.definitions.files import DefinitionError
from tuner.studies.definitions.written_range import refuse_unwritable_range, write_learning_rate

DEFINITION = """\
# Mine.
name = "mine"   # as in the paper
space = "mlp"  # small
dataset = "digits"

[search]
trials = 4  # few
"""


def test_all_that_a_person_wrote_stays(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(DEFINITION.replace("\n", "\r\n").rstrip().encode())

    write_learning_rate(path, low=1.5e-4, high=0.02)

    added = "\n\n[space.learning_rate]\nlow = 0.00015\nhigh = 0.02\nlog = true\n"
    expected = DEFINITION.replace("space =", "space.name =").rstrip() + added
    assert path.read_bytes().decode() == expected.replace("\n", "\r\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (DEFINITION + "[fixed]\nlearning_rate = 0.1\n", "fixes the learning_rate"),
        (DEFINITION.replace("space", '"space"'), "cannot be changed without rewriting it"),
        ("name = ", "is not valid TOML"),
        ("[search]\ntrials = 4\n", "name"),
    ],
    ids=["fixed", "quoted", "no TOML", "no definition"],
)
def test_a_file_that_cannot_take_the_range_stays_as_it_is(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)

    for write in (refuse_unwritable_range, lambda path: write_learning_rate(path, low=1e-4, high=1e-2)):
        with pytest.raises(DefinitionError, match=expected):
            write(path)

    assert path.read_text() == text


def test_a_missing_file_is_no_definition(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="No study definition"):
        refuse_unwritable_range(tmp_path / "gone.toml")
