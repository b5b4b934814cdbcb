"""Models of many kinds."""

from pathlib import Path

import pytest
from outcomes import Outcome, Works, expect
from trying import Workplace

# Keras warns of models that people build all the same.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

_CASES: dict[str, Outcome] = {
    "subclass": Works(confirms=True),
    "subclass_built_by_call": Works(),
    "subclass_within_sequential": Works(),
    "subclass_with_blocks": Works(),
    "sequential_without_input": Works(),
    "any_size": Works(least_accuracy=0.05),
    "recurrent_over_rows": Works(least_accuracy=0.2),
    "random_layers": Works(),
    "normalization": Works(),
    "layer_of_ones_own": Works(),
    "lambda_layer": Works(),
    "convolutions_with_batch_normalization": Works(),
    "weights_shared": Works(),
    "learning_rate_schedule": Works(note="schedule"),
    "averaged_and_clipped": Works(),
    "eager": Works(),
    "several_steps_at_once": Works(),
    "loss_scaling": Works(),
    "mixed_precision_by_layers": Works(),
    "training_step_of_ones_own": Works(),
    "rescaled_to_minus_one": Works(),
}


@pytest.mark.parametrize("builder", _CASES)
def test_a_model_trains_is_tested_and_predicts(builder: str, digits: Path, workplace: Workplace) -> None:
    expect(_CASES[builder], f"brought_layers:{builder}", digits, workplace)
