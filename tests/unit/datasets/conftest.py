"""What the tests of datasets share; the real MNIST comes from `mnist` and `mnist_dir` in `tests/conftest.py`."""

from pathlib import Path
from typing import Any

import pytest
from dataset_files import Load

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.images import LabelledImages
from tuner.datasets.reading import ReadingSettings


@pytest.fixture
def load_train(tmp_path: Path) -> Load:
    """Load the training images of a name or path; catalogue folders are below `tmp_path`."""

    def load(name_or_path: str | Path, **reading: Any) -> LabelledImages:
        return open_dataset(str(name_or_path), data_dir=tmp_path, reading=ReadingSettings(**reading)).load_train()

    return load
