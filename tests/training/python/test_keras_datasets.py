import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.images import LabelledImages
from tuner.python.datasets import DatasetGivenError, place_dataset

X = np.arange(40 * 6 * 6 * 3, dtype=np.uint8).reshape(40, 6, 6, 3)
Y = np.arange(40) % 4
SLICES = tf.data.Dataset.from_tensor_slices
GREY = X[..., 0]


class Batches(keras.utils.PyDataset):
    """Eight batches of five images."""

    def __init__(
        self, make: Callable[[int], Any] = lambda i: (X[5 * i : 5 * i + 5], Y[5 * i : 5 * i + 5]), n: Any = 8
    ) -> None:
        super().__init__()
        self.make, self.n = make, n

    @property
    def num_batches(self) -> int | None:
        return self.n

    def __getitem__(self, index: int) -> Any:
        return self.make(index)


def read(dataset: Any, home: Path) -> LabelledImages:
    return open_dataset(place_dataset(dataset, home=home), data_dir=home).load_train()


@pytest.mark.parametrize(
    "dataset",
    [
        SLICES((X, Y)),
        SLICES((X, Y)).batch(7),
        SLICES((X, np.eye(4)[Y])),
        SLICES((X, np.eye(4)[Y])).batch(7),
        SLICES((GREY, Y)),
        SLICES((GREY, Y)).batch(7),
        SLICES((GREY, Y)).batch(8, drop_remainder=True),
        Batches(),
        Batches(lambda i: (X[5 * i : 5 * i + 5], np.eye(4)[Y[5 * i : 5 * i + 5]])),
        (SLICES((X, Y)), SLICES((X, Y)).batch(40)),
        (Batches(), Batches()),
        (keras.ops.convert_to_tensor(X), keras.ops.convert_to_tensor(Y)),
    ],
)
def test_batched_and_single_examples_are_images_with_labels(tmp_path: Path, dataset: Any) -> None:
    images = read(dataset, tmp_path)

    assert len(images) in {32, 40}
    assert images.images.shape[1:3] == (6, 6)
    assert np.bincount(images.labels).tolist() == [len(images) // 4] * 4


def test_class_names_beside_a_dataset_are_kept(tmp_path: Path) -> None:
    dataset = SLICES((X, Y)).batch(8)
    dataset.class_names = ["cat", "dog", "emu", "fox"]

    assert read(dataset, tmp_path).class_names == ("cat", "dog", "emu", "fox")


RAGGED = tf.data.Dataset.from_generator(
    lambda: iter([(np.zeros((2, 2, 1)), 0), (np.zeros((3, 3, 1)), 1)]),
    output_signature=(tf.TensorSpec((None, None, 1)), tf.TensorSpec((), tf.int32)),
)


@pytest.mark.parametrize(
    ("dataset", "told"),
    [
        (SLICES((X, Y)).repeat(), "the tf.data.Dataset never ends. Take what one pass is: `dataset.take(n)`"),
        (SLICES(X), "the elements of the tf.data.Dataset are TensorSpec"),
        (SLICES(({"a": X, "b": X}, Y)), "the elements of the tf.data.Dataset are"),
        (SLICES((X, Y, Y)), "Expected pairs of one array of images and one of labels, without weights"),
        (SLICES((tf.ragged.constant([[[1]], [[1, 2]]]), [0, 1])), "ragged or sparse. Give all images one size"),
        (SLICES((X[:0], Y[:0])), "the train part gives no image"),
        (RAGGED, "the images of the train part differ in size. Give all images one size"),
        (Batches(n=None), "the PyDataset has no num_batches and may never end"),
        (Batches(lambda _: X), "a batch of the PyDataset is ndarray of shape (40, 6, 6, 3)"),
        (Batches(lambda _: ({"a": X}, Y)), "a batch of the PyDataset has several inputs or outputs"),
        (Batches(lambda _: (X, Y, Y)), "a batch of the PyDataset is tuple"),
    ],
)
def test_what_one_model_cannot_learn_from_is_one_line(tmp_path: Path, dataset: Any, told: str) -> None:
    with pytest.raises(DatasetGivenError, match=re.escape(told)) as raised:
        place_dataset(dataset, home=tmp_path)

    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())
