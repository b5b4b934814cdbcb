"""Numbers of models in whose places a population's program has arrays."""

import keras
import numpy as np
import pytest
from keras import layers

from tuner.training.free_numbers import find_free_numbers, numbers_put, read_numbers


def test_an_array_in_the_place_of_a_number_answers_as_a_number_between_0_and_1() -> None:
    dropout = layers.Dropout(0.3)
    model = keras.Sequential([keras.Input((4,)), dropout, layers.Dense(2, "softmax")])
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss)
    places = find_free_numbers(model)

    numbers = read_numbers(places)
    with numbers_put(places, numbers):
        rate = dropout.rate
        answers = [bool(rate), rate > 0, rate > 1, rate == 0, rate == 1, rate != 0]
        rest = 1 - rate
        with pytest.raises(TypeError, match=r"comparison of a free number with 0\.5"):
            _ = rate > 0.5

    np.testing.assert_allclose(numbers, [(0.3, 0.7), (0.9, 0.1), (0.1, 0.9)], rtol=1e-6)
    assert answers == [True, True, False, False, False, True]
    assert rest == pytest.approx(0.7)
    assert (dropout.rate, model.optimizer.momentum, loss.label_smoothing) == (0.3, 0.9, 0.1)
