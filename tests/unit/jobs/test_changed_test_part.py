"""A test part is the one that a study was created with, or finals say that it has changed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tuner.datasets.images import LabelledImages
from tuner.jobs.finals.test_part import hold_to_recorded, open_test_set
from tuner.jobs.preflight.checking import CheckRequest, check_without_model
from tuner.jobs.study.data import TEST_SHA256, ChangedTestPartError, study_pixels
from tuner.studies.database.storage import open_storage
from tuner.studies.definitions.making import make_definition
from tuner.studies.lifecycle import find_study, insert_study

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 6, 6)).astype(np.uint8)
LABELS = np.arange(60) % 2


def test_a_test_part_that_changed_after_the_studys_creation_is_not_used(tmp_path: Path) -> None:
    archive = tmp_path / "own.npz"
    definition = make_definition(space="mlp", dataset=str(archive))

    def write(test_labels: NDArray[np.int64]) -> None:
        np.savez(archive, x_train=IMAGES[:40], y_train=LABELS[:40], x_test=IMAGES[40:], y_test=test_labels)

    write(LABELS[40:])
    created = check_without_model(CheckRequest(definition=definition, data_dir=tmp_path))

    def open_again(sha256: str | None) -> LabelledImages:
        pixels = study_pixels(created.pixels)
        return open_test_set(
            definition, class_names=created.class_names, data_dir=tmp_path, pixels=pixels, sha256=sha256
        )

    assert len(open_again(created.hashes[TEST_SHA256])) == 20
    write(1 - LABELS[40:])
    with pytest.raises(ChangedTestPartError, match=r"test part of dataset .* changed since the study was created"):
        open_again(created.hashes[TEST_SHA256])
    assert len(open_again(None)) == 20


def test_without_a_hash_of_its_creation_a_study_is_held_to_its_first_test(tmp_path: Path) -> None:
    test = LabelledImages(images=IMAGES[..., np.newaxis], labels=LABELS, class_names=("0", "1"))
    definition = make_definition(space="mlp", dataset="digits", name="s")
    with open_storage(f"sqlite:///{tmp_path / 's.db'}") as storage:
        study = insert_study(storage, definition, class_names=test.class_names, provenance={"data_sha256": "0" * 64})

        hold_to_recorded(storage, study, test)
        hold_to_recorded(storage, study, test)
        with pytest.raises(ChangedTestPartError, match="or its first model tested"):
            hold_to_recorded(storage, study, replace(test, labels=1 - LABELS))

        assert find_study(storage, "s").provenance == {"data_sha256": "0" * 64, TEST_SHA256: test.content_hash()}
