import json
import sys
import sysconfig
from pathlib import Path

import pytest

from tuner.spaces import builder_errors
from tuner.spaces.builder_errors import BuilderError, guarded
from tuner.spaces.own_code import is_own_file


def test_an_error_within_pythons_own_modules_names_the_line_of_the_builder(tmp_path: Path) -> None:
    source = tmp_path / "nets.py"
    source.write_text("import json\ndef build(hp):\n    return json.loads('{')\n")
    defined: dict[str, object] = {}
    exec(compile(source.read_text(), source, "exec"), defined)  # noqa: S102 - the test's own lines

    with pytest.raises(BuilderError, match=r"^JSONDecodeError in the builder of nets:build \(nets\.py, line 3\): "):
        guarded("nets:build", defined["build"])(None)  # type: ignore[arg-type]


def test_a_long_message_of_many_lines_becomes_one_line() -> None:
    def build() -> None:
        raise ValueError("first line\n" + "second " * 1000)

    with pytest.raises(BuilderError, match="first line second") as caught:
        guarded("nets:build", build)()

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


def test_a_line_that_a_message_quotes_lies_deeper_than_the_stack(tmp_path: Path) -> None:
    def build() -> None:
        raise ValueError(
            f'in user code:\n\n  File "{tmp_path}/blocks.py", line 7, in call  *\n    return x[3]\n'
            f'  File "{Path(sysconfig.get_path("purelib"))}/keras/ops.py", line 99, in add\n\n    ValueError: too deep'
        )

    with pytest.raises(BuilderError, match=r"^ValueError in the builder of nets:build \(blocks\.py, line 7\): "):
        guarded("nets:build", build)()


def test_a_builder_that_leaves_the_process_is_an_error() -> None:
    def build() -> None:
        sys.exit(3)

    with pytest.raises(BuilderError, match=r"^SystemExit in the builder of nets:build \(.*, line \d+\): 3$"):
        guarded("nets:build", build)()


def test_an_exception_that_cannot_be_printed_is_told_by_its_line() -> None:
    class Silent(Exception):  # noqa: N818 - a person's
        def __str__(self) -> str:
            raise AttributeError("no text")

    def build() -> None:
        raise Silent

    with pytest.raises(
        BuilderError, match=r"^Silent in the builder of nets:build \(test_builder_errors\.py, line \d+\)$"
    ):
        guarded("nets:build", build)()


@pytest.mark.parametrize(
    ("file", "is_own"),
    [
        ("/home/me/nets.py", True),
        ("nets.py", True),
        (json.__file__, False),
        (pytest.__file__, False),
        (builder_errors.__file__, False),
        ("/usr/lib/python3/dist-packages/numpy/core.py", False),
        (f"{sysconfig.get_path('scripts')}/tuner", False),
        ("<frozen importlib._bootstrap>", False),
        ("/home/me/__autograph_generated_file0wo9cgy2.py", False),
    ],
)
def test_a_persons_own_code_is_told_apart(file: str, is_own: bool) -> None:  # noqa: FBT001
    assert is_own_file(file) is is_own
