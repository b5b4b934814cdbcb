import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tuner.artifacts import ArtifactNotFoundError, ArtifactStore
from tuner.bundles.predictions import (
    MAX_ERROR_IMAGES,
    Predictions,
    PredictionsUnreadableError,
    find_worst_errors,
    read_predictions,
    write_predictions,
)

PATH = "study/finals/trial-3.npz"


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


def write_random_predictions(store: ArtifactStore, *, n: int = 200) -> tuple[Predictions, np.ndarray]:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (n, 8, 6, 1), np.uint8)
    written = write_predictions(
        store,
        PATH,
        labels=random.integers(0, 4, n),
        probabilities=random.dirichlet(np.ones(4), n).astype(np.float32),
        images=images,
    )
    return written, images


def test_predictions_come_back_as_they_were_written(store: ArtifactStore) -> None:
    written, _ = write_random_predictions(store)

    read = read_predictions(store, PATH)

    for name, dtype in (("labels", "i8"), ("probabilities", "f4"), ("error_indices", "i8"), ("error_images", "u1")):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name), strict=True)
        assert getattr(read, name).dtype == dtype


def test_the_most_confident_errors_come_first() -> None:
    labels = np.array([0, 1, 0, 1])
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.4, 0.6]])

    assert find_worst_errors(labels, probabilities).tolist() == [2, 1]


def test_equally_confident_errors_keep_the_order_of_the_test_set() -> None:
    assert find_worst_errors(np.ones(5, int), np.tile([0.7, 0.3], (5, 1))).tolist() == [0, 1, 2, 3, 4]


def test_the_images_of_the_sixty_worst_errors_are_kept(store: ArtifactStore) -> None:
    written, images = write_random_predictions(store)

    confidence = written.probabilities.max(axis=1)[written.error_indices]
    assert len(written.error_indices) == MAX_ERROR_IMAGES
    assert (np.diff(confidence) <= 0).all()
    np.testing.assert_array_equal(written.error_images, images[written.error_indices])


def test_a_faultless_model_leaves_no_error_images(store: ArtifactStore) -> None:
    predictions = write_predictions(
        store,
        PATH,
        labels=np.arange(3),
        probabilities=np.eye(3, dtype=np.float32),
        images=np.zeros((3, 28, 28, 1), np.uint8),
    )

    assert predictions.accuracy == 1
    assert read_predictions(store, PATH).error_images.shape == (0, 28, 28, 1)


def test_accuracy_is_the_share_of_right_answers() -> None:
    predictions = Predictions(
        labels=np.array([0, 1, 1, 1]),
        probabilities=np.array([[0.9, 0.1]] * 2 + [[0.1, 0.9]] * 2, np.float32),
        error_indices=np.array([1]),
        error_images=np.zeros((1, 2, 2, 1), np.uint8),
    )

    assert (predictions.n_correct, predictions.accuracy) == (3, 0.75)


def test_answers_and_labels_of_different_images_are_refused(store: ArtifactStore) -> None:
    with pytest.raises(ValueError, match="Received 3 labels, 2 predictions and 3 images"):
        write_predictions(
            store,
            PATH,
            labels=np.arange(3),
            probabilities=np.eye(3, dtype=np.float32)[:2],
            images=np.zeros((3, 2, 2, 1), np.uint8),
        )


def test_a_missing_file_is_named(store: ArtifactStore) -> None:
    with pytest.raises(ArtifactNotFoundError, match=PATH):
        read_predictions(store, PATH)


@pytest.mark.parametrize("kept_bytes", [0, 1, 500])
def test_a_damaged_file_is_named_with_the_way_out(store: ArtifactStore, kept_bytes: int) -> None:
    write_random_predictions(store)
    store.write(PATH, store.read(PATH)[:kept_bytes])

    with pytest.raises(PredictionsUnreadableError, match=rf"{PATH} are damaged: .* Run the study's finals again\."):
        read_predictions(store, PATH)


def test_reading_predictions_and_bundles_needs_no_keras() -> None:
    modules = "tuner.bundles.predictions, tuner.bundles.bundle, tuner.jobs.finals.members, tuner.report.page"
    command = f"import sys, {modules}; assert not {{'keras', 'tensorflow', 'optuna'}} & sys.modules.keys()"

    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0
