"""What the check measures of the time, on digits and the smallest net."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tuner.datasets.division.splits import split_stratified
from tuner.datasets.images import LabelledImages
from tuner.epochs import Epoch
from tuner.jobs.preflight.rehearsal import Rehearsal
from tuner.jobs.preflight.sample import PartSizes, take_sample
from tuner.jobs.preflight.stages import find_hyperparameters, open_builder, resume_in_the_middle, retrain
from tuner.jobs.preflight.timing import measure_time
from tuner.studies.definitions.making import make_definition
from tuner.training.plan import TrainingData

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Rehearsal:
    bunch = load_digits()
    images = (bunch.images * 255 / 16).astype(np.uint8)[..., None]
    everything = LabelledImages(images=images, labels=bunch.target.astype(np.int64), class_names=tuple("0123456789"))
    split = split_stratified(everything, validation_fraction=0.2, seed=0)
    definition = make_definition(
        space="mlp", dataset="digits", trials=4, epochs=3, overrides=["search.objective=macro_f1"]
    )
    rehearsal = Rehearsal(definition, take_sample(split), tmp_path_factory.mktemp("rehearsal"))
    for stage in (open_builder, find_hyperparameters, resume_in_the_middle, retrain):
        stage(rehearsal)
    return rehearsal


def test_an_epoch_of_search_and_of_finals_is_measured(rehearsal: Rehearsal) -> None:
    measured = measure_time(rehearsal, PartSizes(search=600, train=1400, validation=300), start_s=4.0)

    assert measured is not None
    assert measured.start == 4
    assert 0 < measured.epoch < 10
    # Nearly three times the images, augmented.
    assert measured.retraining_epoch > measured.epoch
    assert measured.trial > 0 < measured.retraining


def test_what_is_timed_measures_the_objective(rehearsal: Rehearsal) -> None:
    epochs: list[Epoch] = []
    data = TrainingData(train=rehearsal.train_images, validation=rehearsal.validation_images)

    rehearsal.time_trial(data, rehearsal.plan_of(epochs=1), epochs.append)

    assert [epoch.score is None for epoch in epochs] == [False]


def test_nothing_is_measured_where_a_few_images_take_long(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "few_epoch_s", 20.0)

    assert measure_time(rehearsal, PartSizes(search=600, train=600, validation=60), start_s=4.0) is None
