import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from dataset_files import Load, draw_images, encode_idx, write_idx_pair

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.formats.idx import read_idx
from tuner.datasets.reading import UnreadableDataError

IMAGES = draw_images(10)
LABELS = [0, 1] * 5


def test_a_folder_of_idx_files_is_read_without_its_test_files(tmp_path: Path, load_train: Load) -> None:
    write_idx_pair(tmp_path / "own", IMAGES, LABELS)
    for stem in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (tmp_path / "own" / stem).write_bytes(b"no IDX at all")

    data = load_train(tmp_path / "own")

    np.testing.assert_array_equal(data.images[..., 0], IMAGES)
    assert data.labels.tolist() == LABELS
    assert data.class_names == ("0", "1")


@pytest.mark.parametrize("name", ["train-{}-idx{}-ubyte", "train-{}.idx{}-ubyte"])
def test_decompressed_files_are_read_under_both_spellings(tmp_path: Path, load_train: Load, name: str) -> None:
    (tmp_path / name.format("images", 3)).write_bytes(encode_idx(IMAGES))
    (tmp_path / name.format("labels", 1)).write_bytes(encode_idx(np.array(LABELS, np.uint8)))

    assert len(load_train(tmp_path)) == 8


def test_colour_images_are_a_fourth_dimension(tmp_path: Path) -> None:
    colour = np.repeat(IMAGES[..., np.newaxis], 3, axis=3)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(encode_idx(colour))

    assert read_idx(tmp_path / "train-images-idx3-ubyte").shape == (10, 6, 5, 3)


def test_missing_labels_are_named(tmp_path: Path, load_train: Load) -> None:
    write_idx_pair(tmp_path, IMAGES, LABELS)
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()

    with pytest.raises(UnreadableDataError, match=r"train-labels-idx1-ubyte\[.gz\] is missing"):
        load_train(tmp_path)


def test_another_number_of_labels_than_images_is_refused(tmp_path: Path, load_train: Load) -> None:
    write_idx_pair(tmp_path, IMAGES, LABELS[:-1])

    with pytest.raises(UnreadableDataError, match="10 images and 9 labels"):
        load_train(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(encode_idx(IMAGES)[:-1], "holds 299 values, its header promises 300", id="truncated"),
        pytest.param(encode_idx(IMAGES) + b"0", "holds more than 300 values", id="too long"),
        pytest.param(encode_idx(IMAGES)[:9], "truncated within its header", id="truncated header"),
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"<html>not found</html>", "begins with 3c68746d, expected 0000080N", id="a web page"),
        pytest.param(bytes([0, 0, 0x0D, 1, 0, 0, 0, 0]), r"holds floats of 32 bits, .* \.npz file", id="floats"),
        pytest.param(bytes([0, 0, 0x0C, 1, 0, 0, 0, 0]), "holds integers of 32 bits, expected unsigned", id="integers"),
        pytest.param(bytes([0, 0, 0x08, 9]), "begins with 00000809", id="nine dimensions"),
        pytest.param(
            b"\0\0\x08\x03" + struct.pack(">3I", 60_000, 50_000, 50_000), "promises 150000000000000 values", id="huge"
        ),
        pytest.param(b"\0\0\x08\x03" + struct.pack(">3I", 60_000, 200, 200), "it holds at most", id="lying header"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_damaged_file_is_one_clear_line(tmp_path: Path, content: bytes, message: str, suffix: str) -> None:
    path = tmp_path / f"train-images-idx3-ubyte{suffix}"
    path.write_bytes(gzip.compress(content) if suffix else content)

    with pytest.raises(UnreadableDataError, match=message) as caught:
        read_idx(path)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(gzip.compress(encode_idx(IMAGES))[:-20], "the gzip stream is truncated", id="truncated"),
        pytest.param(gzip.compress(encode_idx(IMAGES))[:20] + b"\xff" * 200, "is no valid gzip file", id="overwritten"),
    ],
)
def test_a_damaged_gzip_stream_is_one_clear_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)

    with pytest.raises(UnreadableDataError, match=message):
        read_idx(path)


@pytest.mark.parametrize(("name", "is_packed"), [("x-idx3-ubyte.gz", False), ("x-idx3-ubyte", True)])
def test_a_file_is_read_whether_or_not_its_name_tells_that_it_is_packed(
    tmp_path: Path,
    name: str,
    is_packed: bool,  # noqa: FBT001 - pytest hands it over by name
) -> None:
    content = encode_idx(IMAGES)
    (tmp_path / name).write_bytes(gzip.compress(content) if is_packed else content)

    np.testing.assert_array_equal(read_idx(tmp_path / name), IMAGES)


def test_of_a_packed_and_an_unpacked_file_one_is_said_not_to_be_read(tmp_path: Path) -> None:
    write_idx_pair(tmp_path, IMAGES, LABELS)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(encode_idx(255 - IMAGES))

    assert open_dataset(str(tmp_path), data_dir=tmp_path).left_out.counts == {"train-images-idx3-ubyte": 1}


def test_labels_alone_miss_their_images(tmp_path: Path, load_train: Load) -> None:
    write_idx_pair(tmp_path, IMAGES, LABELS)
    (tmp_path / "train-images-idx3-ubyte.gz").unlink()

    with pytest.raises(UnreadableDataError, match=r"train-images-idx3-ubyte\[.gz\] is missing"):
        load_train(tmp_path)


def test_images_and_labels_that_have_changed_places_are_told_so(tmp_path: Path, load_train: Load) -> None:
    write_idx_pair(tmp_path, IMAGES, LABELS)
    images, labels, other = (
        tmp_path / name for name in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "x")
    )
    images.rename(other)
    labels.rename(images)
    other.rename(labels)

    with pytest.raises(UnreadableDataError, match="check whether images and labels have changed places"):
        load_train(tmp_path)


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDataError, match="No such file"):
        read_idx(tmp_path / "train-images-idx3-ubyte.gz")
