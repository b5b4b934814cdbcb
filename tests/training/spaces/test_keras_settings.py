import sys
from collections.abc import Iterator

import keras
import pytest

from tuner.datasets.images import ImageFormat
from tuner.spaces.registry import fixed_hyperparameters, open_space
from tuner.training.session import release_memory

DIGITS = ImageFormat(height=8, width=8, channels=1, class_names=tuple("0123456789"))
MIXED, PLAIN, FAMILY = "own_builders.mixed:build", "own_builders.nets:build", "mlp"


pytestmark = pytest.mark.usefixtures("beside_own_builders")


@pytest.fixture(autouse=True)
def _as_in_a_fresh_process() -> Iterator[None]:
    # A family first, whose settings are those of before any import.
    open_space(FAMILY)
    sys.modules.pop("own_builders.mixed", None)
    yield
    open_space(FAMILY).build(fixed_hyperparameters({}), DIGITS)


def built_with(space: str) -> tuple[set[str], float]:
    """Build as a trial does, and return the precision of the dense layers that say none, and Keras' epsilon."""
    model = open_space(space).build(fixed_hyperparameters({}), DIGITS)
    policies = {layer.dtype_policy.name for layer in model.layers[:-1] if isinstance(layer, keras.layers.Dense)}
    epsilon = keras.config.epsilon()
    release_memory()
    return policies, epsilon


def test_what_a_builders_module_sets_holds_for_every_trial_of_a_process() -> None:
    assert [built_with(MIXED) for _ in range(3)] == [({"mixed_bfloat16"}, 1e-5)] * 3


def test_it_holds_for_no_other_space_and_again_afterwards() -> None:
    spaces = (MIXED, FAMILY, PLAIN, MIXED, FAMILY)

    built = [built_with(space) for space in spaces]

    assert built == [
        ({"mixed_bfloat16"} if space == MIXED else {"float32"}, 1e-5 if space == MIXED else 1e-7) for space in spaces
    ]


def test_what_a_model_or_a_trial_sets_is_gone_before_the_next_one() -> None:
    space = open_space(PLAIN)
    keras.config.set_dtype_policy("mixed_float16")
    keras.config.set_image_data_format("channels_first")

    model = space.build(fixed_hyperparameters({}), DIGITS)

    assert model.dtype_policy.name == "float32"
    assert keras.config.image_data_format() == "channels_last"
