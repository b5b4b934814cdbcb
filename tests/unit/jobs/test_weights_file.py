"""Bundles that studies start from."""

from pathlib import Path

import numpy as np
import pytest

from tuner.bundles.bundle import BundleDescription, Provenance, pack_bundle
from tuner.datasets.images import ImageFormat
from tuner.errors import TunerError
from tuner.jobs.study.starting_weights import WeightsChangedError, open_weights
from tuner.jobs.study.weights_file import read_weights
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.definitions.making import make_definition, read_definition

DIGITS = ImageFormat(height=8, width=8, channels=1, class_names=tuple("0123456789"))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "digits.bundle")


def write_bundle(path: Path, value: float = 0.0) -> Path:
    provenance = Provenance(
        study="digits", trial=4, rank=1, seed=0, test_accuracy=None, versions={}, data_sha256="ab" * 32
    )
    description = BundleDescription(space="mlp", hyperparameters={}, images=DIGITS, provenance=provenance)
    path.write_bytes(pack_bundle(description, [("dense_3/kernel", np.full((2, 3), value, np.float32))]))
    return path


def define(*overrides: str) -> StudyDefinition:
    return make_definition(space="mlp", dataset="digits", overrides=overrides)


def test_finals_start_where_the_search_started_unless_they_say_otherwise(bundle: Path) -> None:
    searched = (f"search.weights_from={bundle}", "search.freeze_epochs=2")

    both, own, later = define(*searched), define(*searched, "finals.freeze_epochs=0"), define("finals.weights_from=x")

    assert (both.finals.weights_from, both.finals.freeze_epochs) == (str(bundle), 2)
    assert (own.finals.weights_from, own.finals.freeze_epochs) == (str(bundle), 0)
    assert (later.search.weights_from, later.finals.weights_from) == (None, str(Path.cwd() / "x"))
    assert StudyDefinition.from_json(both.to_json()) == both


def test_a_definitions_bundle_is_found_from_its_folder_and_urls_stay(bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(
        'name = "s"\nspace = "mlp"\ndataset = "digits"\n[search]\nweights_from = "digits.bundle"\n'
        '[finals]\nweights_from = "s3://models/x.bundle"\n'
    )
    definition = read_definition(file)

    assert definition.search.weights_from == str(bundle)
    assert definition.finals.weights_from == "s3://models/x.bundle"


def test_freezing_needs_weights_to_freeze() -> None:
    with pytest.raises(TunerError, match=r"search.freeze_epochs: received 1 without weights_from"):
        define("search.freeze_epochs=1")


def test_the_weights_are_those_of_the_bundle_with_their_origin(bundle: Path) -> None:
    section = define(f"search.weights_from={bundle}", "search.freeze_epochs=3").search
    sha256, _ = read_weights(str(bundle), DIGITS)

    initial = open_weights(section, DIGITS, sha256=sha256)

    assert initial is not None
    assert initial.weights.origin == f"trial 4 of study digits ({bundle})"
    assert (initial.weights.paths, initial.weights.freeze_epochs) == (("dense_3/kernel",), 3)
    assert open_weights(define().search, DIGITS, sha256=None) is None


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (ImageFormat(height=28, width=28, channels=1, class_names=DIGITS.class_names), "28x28 images of 1 channel in"),
        (ImageFormat(height=8, width=8, channels=3, class_names=DIGITS.class_names), "8x8 images of 3 channels in 10"),
        (ImageFormat(height=8, width=8, channels=1, class_names=("a", "b")), "of 1 channel in 2 classes"),
    ],
)
def test_weights_of_another_input_or_class_count_are_refused_in_one_line(
    bundle: Path, images: ImageFormat, message: str
) -> None:
    expected = f"digits.bundle are of a model for 8x8 images of 1 channel in 10 classes; this study has .*{message}"
    with pytest.raises(TunerError, match=expected) as caught:
        read_weights(str(bundle), images)
    assert "\n" not in str(caught.value)


def test_a_file_that_has_changed_since_is_no_longer_taken(bundle: Path) -> None:
    section = define(f"search.weights_from={bundle}").search
    sha256, _ = read_weights(str(bundle), DIGITS)
    write_bundle(bundle, value=1.0)

    with pytest.raises(WeightsChangedError, match="have changed since"):
        open_weights(section, DIGITS, sha256=sha256)
