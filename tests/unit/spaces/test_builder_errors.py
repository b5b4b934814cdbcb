from pathlib import Path

import pytest

from tuner.spaces.builder_errors import BuilderError, guarded


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
