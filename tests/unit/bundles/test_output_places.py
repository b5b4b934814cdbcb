import errno
import os
from pathlib import Path

import pytest

from tuner.artifacts import ArtifactStore
from tuner.bundles.outputs import OutputNotWrittenError, open_output


def test_a_file_appears_when_it_is_whole_and_replaces_an_older_one(tmp_path: Path) -> None:
    target = tmp_path / "new" / "answers.csv"
    for content in ("old", "new"):
        with open_output(target, option="--out") as path:
            path.write_text(content)
            assert not target.exists() or target.read_text() == "old"

    assert target.read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["answers.csv"]


def test_nothing_is_left_of_a_file_whose_writing_failed(tmp_path: Path) -> None:
    def write_half() -> None:
        with open_output(tmp_path / "answers.csv", option="--out") as path:
            path.write_text("half")
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        write_half()

    assert not list(tmp_path.iterdir())


def test_a_folder_is_written_as_a_whole_and_never_over_another_one(tmp_path: Path) -> None:
    with open_output(tmp_path / "model", option="--to") as path:
        path.mkdir()
        (path / "saved_model.pb").write_text("graph")

    assert (tmp_path / "model" / "saved_model.pb").read_text() == "graph"
    with (
        pytest.raises(
            OutputNotWrittenError, match=r"model: a folder of that name exists\. Name another place with --t"
        ),
        open_output(f"{tmp_path}/model/", option="--to"),
    ):
        pytest.fail("begun")


@pytest.mark.parametrize("place", ["/dev/null", "file.txt/answers.csv", "a" * 300])
def test_a_place_that_takes_no_file_is_named(place: str, tmp_path: Path) -> None:
    (tmp_path / "file.txt").touch()

    with (
        pytest.raises(OutputNotWrittenError, match=r"Could not write /.* with --out"),
        open_output(tmp_path / place, option="--out"),
    ):
        pytest.fail("begun")


def test_a_full_disk_is_told_in_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputNotWrittenError, match=r"x\.csv: No space left on device\. Name"),
        open_output(tmp_path / "x.csv", option="--out"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_files_and_folders_are_written_to_urls(tmp_path: Path) -> None:
    store = ArtifactStore(f"memory://{tmp_path}")

    with open_output(f"{store.url}/answers.csv", option="--out") as path:
        path.write_text("1")
    with open_output(f"{store.url}/model/", option="--to") as path:
        (path / "variables").mkdir(parents=True)
        (path / "variables" / "data").write_text("2")

    assert (store.read("answers.csv"), store.read("model/variables/data")) == (b"1", b"2")


def test_a_url_of_an_unknown_kind_is_told_in_one_line() -> None:
    with (
        pytest.raises(OutputNotWrittenError, match=r"Could not write nosuch://a/b: Protocol not known"),
        open_output("nosuch://a/b", option="--out") as path,
    ):
        path.touch()
