"""A failure is told by the line of the person's own code, whatever Keras and TensorFlow wrap around it."""

from pathlib import Path

import keras_tuner
import pytest
from support.objectives import ACCURACY
from support.own_builders import raising

from tuner.datasets.catalogue import open_dataset
from tuner.datasets.division.splits import split_stratified
from tuner.jobs.explaining import explain_exception
from tuner.jobs.failures import describe_failure
from tuner.jobs.fitting.fit import FitRequest, fit
from tuner.jobs.fitting.setup import TrainingSetup
from tuner.spaces.registry import open_space
from tuner.training.plan import TrainingData, TrainingPlan

pytestmark = pytest.mark.usefixtures("beside_own_builders")

SOURCE = Path(raising.__file__)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    images = open_dataset("digits", data_dir=tmp_path_factory.mktemp("data")).load_train()
    split = split_stratified(images, validation_fraction=0.2, seed=0)
    return TrainingData(train=split.train, validation=split.validation)


def line_of(code: str) -> int:
    """The number of the line in the builders' file that holds this code."""
    return next(number for number, line in enumerate(SOURCE.read_text().splitlines(), start=1) if code in line)


@pytest.mark.parametrize(
    ("builder", "code", "told"),
    [
        ("in_build", '"no such layer"', "in in_build: ValueError: no such layer"),
        ("empty_key", 'widths[""]', "in empty_key: KeyError: ''"),
        ("without_text", "raise RuntimeError", "in without_text: RuntimeError"),
        ("unspeakable", "raise _UnspeakableError", "in unspeakable: _UnspeakableError"),
        ("many_lines", "The widths", "in many_lines: ValueError: The widths do not fit: 64, 32"),
        ("in_json", "json.loads", "in in_json: JSONDecodeError: Expecting property name enclosed in double quotes"),
        ("wrong_reshape", "model = keras.Sequential", "in net: ValueError: The total size of the tensor must be un"),
        ("in_layer", '"broken layer"', "in call: ValueError: broken layer"),
        ("in_training_layer", '"broken in training"', "in call: ValueError: broken in training"),
        ("in_loss", '"broken loss"', "in graph_loss: ValueError: broken loss"),
        ("in_loss_shape", "(3, 3, 3)", "in reshaping_loss: InvalidArgumentError: Input to reshape is a tensor with"),
        ("in_python_function", "raise LookupError", "in look: LookupError: broken in Python"),
        ("InFit", "validation_data", "in fit: TypeError: cannot unpack non-iterable NoneType object"),
        ("OtherShape", "x[:, :4]", "in fit: ValueError: Input 0 with name 'None' of layer"),
        ("OtherLabels", "y + 20", "in fit: InvalidArgumentError: Received a label value of 29 which is outside the"),
    ],
)
def test_the_message_is_the_innermost_line_of_the_persons_code(
    digits: TrainingData, builder: str, code: str, told: str
) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - every kind there is
        fit(
            TrainingSetup(space=open_space(f"own_builders.raising:{builder}"), objective=ACCURACY),
            FitRequest(
                hyperparameters=keras_tuner.HyperParameters(),
                data=digits,
                plan=TrainingPlan(epochs=1, seed=0, batch_size=64),
                on_epoch=lambda _: None,
            ),
        )

    failure = describe_failure(caught.value)
    assert failure.message.startswith(f"raising.py:{line_of(code)} {told}")
    assert "\n" not in failure.message


def test_an_error_to_act_on_is_told_in_its_own_words(digits: TrainingData) -> None:
    with pytest.raises(Exception, match="built no model") as caught:
        open_space("own_builders.nets:build_wrong_classes").build(
            keras_tuner.HyperParameters(), digits.train.image_format
        )

    assert describe_failure(caught.value).message.startswith("Space 'own_builders.nets:build_wrong_classes' built")


def test_a_long_message_is_cut() -> None:
    assert len(explain_exception(ValueError("x" * 10_000))) <= 501
