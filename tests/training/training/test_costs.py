"""What a model needs, measured without changing it."""

import keras
import numpy as np
import pytest
from keras import layers
from small_models import build_cnn

from tuner.jobs.fitting.costs import CostUnknownError, measure_costs
from tuner.training.costs import count_weights, measure_latency
from tuner.training.variables import read_variable

SHAPE = (8, 8, 1)


class Counts(layers.Layer):
    """Counts its calls in a variable, as a layer of one's own may."""

    def build(self, _shape: object) -> None:
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x: object) -> object:
        self.calls.assign_add(1.0)
        return x


def test_weights_are_counted_trained_or_not_and_their_bytes() -> None:
    model = build_cnn()

    # 36 of the kernel, 16 of the normalization of which 8 are trained, 1,450 of the last layer.
    assert count_weights(model) == {"parameters": 36 + 16 + 1450, "size_bytes": 4 * 1502}
    assert count_weights(model)["parameters"] == model.count_params()


@pytest.mark.parametrize("eagerly", [False, True])
def test_a_latency_is_measured_of_one_image_and_nothing_of_the_model_changes(*, eagerly: bool) -> None:
    inputs = layers.Input(SHAPE)
    x = layers.Dropout(0.5)(Counts()(layers.Flatten()(inputs)))
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy", run_eagerly=eagerly)
    before = [read_variable(variable) for variable in model.variables]

    measured = measure_latency(model, SHAPE)

    assert 0 < measured["latency_ms"] < 10_000
    assert all(
        np.array_equal(read_variable(variable), value) for variable, value in zip(model.variables, before, strict=True)
    )


def test_a_model_that_takes_no_single_image_has_no_latency_and_says_so_or_fails_where_it_is_needed() -> None:
    inputs = keras.Input(batch_shape=(32, *SHAPE))
    flat = keras.ops.reshape(inputs, (32, 64))
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(flat))
    model.compile("adam", "sparse_categorical_crossentropy")
    notes: list[str] = []

    costs = measure_costs(model, SHAPE, on_note=notes.append)

    assert costs == {"parameters": 650.0, "size_bytes": 2600.0}
    assert [note.partition(":")[0] for note in notes] == ["Its latency of one image was not measured"]
    with pytest.raises(CostUnknownError, match="latency of one image cannot be measured"):
        measure_costs(model, SHAPE, needed={"latency_ms"}, on_note=notes.append)
