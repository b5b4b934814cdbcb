import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
from dataset_files import Load, draw_images, write_idx_pair
from support.mnist import MNIST_EXTRACT

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.formats.labels import LabelOutsideClassesError
from tuner.datasets.published.mnist import WrongChecksumError
from tuner.datasets.reading import ReadingSettings, UnreadableDataError
from tuner.datasets.test_set import load_test_set

KANA = ("お", "き", "す", "つ", "な", "は", "ま", "や", "れ", "を")


def write_kmnist(folder: Path, labels: list[int], *, part: str = "train") -> None:
    folder.mkdir(exist_ok=True)
    images = draw_images(len(labels), height=28, width=28)
    np.savez_compressed(folder / f"kmnist-{part}-imgs.npz", arr_0=images)
    np.savez_compressed(folder / f"kmnist-{part}-labels.npz", arr_0=np.array(labels, np.uint8))


def test_mnist_has_60000_training_and_10000_test_images(data_dir: Path) -> None:
    train = open_dataset("mnist", data_dir=data_dir).load_train()
    test = load_test_set("mnist", data_dir=data_dir)

    assert train.images.shape == (60_000, 28, 28, 1)
    assert np.bincount(train.labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert test.images.shape == (10_000, 28, 28, 1)
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert train.class_names == test.class_names == tuple("0123456789")


def test_mnist_is_resized_on_wish(mnist: Path, tmp_path: Path) -> None:
    test = load_test_set(str(mnist), data_dir=tmp_path, reading=ReadingSettings(resize=(14, 16)))

    assert test.images.shape[1:] == (14, 16, 1)
    assert 25 < test.images.mean() < 40


def test_recompressed_and_decompressed_files_pass_the_checksum(
    mnist_dir: Path, tmp_path: Path, load_train: Load
) -> None:
    (tmp_path / "mnist").mkdir()
    labels = gzip.decompress((mnist_dir / "train-labels-idx1-ubyte.gz").read_bytes())
    (tmp_path / "mnist" / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels, compresslevel=1))
    images = gzip.decompress((mnist_dir / "train-images-idx3-ubyte.gz").read_bytes())
    (tmp_path / "mnist" / "train-images.idx3-ubyte").write_bytes(images)

    assert len(load_train("mnist")) == 60_000


def test_a_changed_file_is_refused_and_named(mnist_dir: Path, tmp_path: Path, load_train: Load) -> None:
    shutil.copytree(mnist_dir, tmp_path / "mnist")
    labels = tmp_path / "mnist" / "train-labels-idx1-ubyte.gz"
    labels.chmod(0o644)
    content = bytearray(gzip.decompress(labels.read_bytes()))
    content[-1] = (content[-1] + 1) % 10
    labels.write_bytes(gzip.compress(bytes(content)))

    with pytest.raises(WrongChecksumError, match=r"train-labels.*not the published 65a5.*`tuner dataset fetch mnist`"):
        load_train("mnist")


def test_a_part_of_mnist_is_not_taken_for_all_of_it(tmp_path: Path, load_train: Load) -> None:
    shutil.copytree(MNIST_EXTRACT, tmp_path / "mnist")

    with pytest.raises(WrongChecksumError, match=r"train-images.*is not the published .*`tuner dataset fetch mnist`"):
        load_train("mnist")


def test_the_extract_is_2500_of_mnists_images_in_their_order(data_dir: Path, tmp_path: Path) -> None:
    whole = open_dataset("mnist", data_dir=data_dir).load_train(), load_test_set("mnist", data_dir=data_dir)
    extract = (
        open_dataset(str(MNIST_EXTRACT), data_dir=tmp_path).load_train(),
        load_test_set(str(MNIST_EXTRACT), data_dir=tmp_path),
    )

    for part, of_part, n_images in zip(extract, whole, (2_000, 500), strict=True):
        labelled = iter(zip(map(bytes, of_part.images), of_part.labels, strict=True))
        assert all(image in labelled for image in zip(map(bytes, part.images), part.labels, strict=True))
        share = np.bincount(of_part.labels) * n_images / len(of_part)
        np.testing.assert_allclose(np.bincount(part.labels), share, atol=1)


def test_a_gz_checksum_refuses_another_file_of_that_name(tmp_path: Path, load_train: Load) -> None:
    write_idx_pair(tmp_path / "fashion-mnist", draw_images(20, height=28, width=28), [0, 1] * 10)

    with pytest.raises(WrongChecksumError, match="its md5 is not the published 8d4fb7e6c68d"):
        load_train("fashion-mnist")


def test_missing_files_are_all_named_with_the_command_that_gets_them(load_train: Load) -> None:
    message = r"train-images.* is missing; train-labels.*dataset fetch mnist"
    with pytest.raises(UnreadableDataError, match=message) as caught:
        load_train("mnist")

    assert len(caught.value.problems) == 2


def test_kmnist_is_read_from_its_npz_files_and_has_kana_for_names(tmp_path: Path, load_train: Load) -> None:
    write_kmnist(tmp_path / "kmnist", [*range(10)] * 2)

    data = load_train("kmnist")

    assert data.class_names == KANA
    assert data.labels.tolist() == [*range(10)] * 2


def test_labels_outside_the_catalogues_classes_are_refused(tmp_path: Path, load_train: Load) -> None:
    write_kmnist(tmp_path / "kmnist", [0, 1, 12, 200])

    with pytest.raises(
        LabelOutsideClassesError, match="received the label 12, 200, expected one of the classes お, き"
    ):
        load_train("kmnist")


def test_images_of_another_size_than_the_catalogue_says_are_refused(tmp_path: Path, load_train: Load) -> None:
    write_kmnist(tmp_path / "kmnist", [0, 1])
    np.savez_compressed(tmp_path / "kmnist" / "kmnist-train-imgs.npz", arr_0=draw_images(2, height=20, width=20))

    with pytest.raises(UnreadableDataError, match=r"shape \(20, 20, 1\), expected \(28, 28, 1\)"):
        load_train("kmnist")


def test_training_reads_no_test_file(tmp_path: Path, load_train: Load) -> None:
    write_kmnist(tmp_path / "kmnist", [*range(10)])
    (tmp_path / "kmnist" / "kmnist-test-imgs.npz").write_bytes(b"damaged")

    assert len(load_train("kmnist")) == 10
    with pytest.raises(UnreadableDataError):
        load_test_set("kmnist", data_dir=tmp_path)
