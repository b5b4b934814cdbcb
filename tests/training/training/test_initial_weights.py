"""Models that start from the weights of another one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers
from small_models import build_cnn, build_mlp

from tuner.epochs import Epoch
from tuner.training.initial_weights import InitialWeights, take_weights
from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.programs.cache import ProgramCache
from tuner.training.train import train
from tuner.training.variables import read_variable
from tuner.training.weights_h5 import WeightsFileError, read_weights_h5

PLAN = TrainingPlan(epochs=2, batch_size=32, seed=1)


def weights_of(model: keras.Model, **settings: int) -> InitialWeights:
    return InitialWeights(
        origin="trial 3 of study mnist",
        paths=tuple(weight.path for weight in model.weights),
        values=tuple(model.get_weights()),
        **settings,
    )


def test_layers_agree_by_kind_and_order_whatever_keras_numbered_them() -> None:
    dense = [layers.Dense(units) for units in (16, 12, 10)]
    source = keras.Sequential([layers.Input((8, 8, 1)), layers.Flatten(), *dense])
    inputs = keras.Input((8, 8, 1))
    hidden = layers.Dense(12)(layers.Dense(16)(layers.Flatten()(inputs)))
    target = keras.Model(inputs, layers.Dense(10)(layers.Dense(7)(hidden)))
    before = [read_variable(weight) for weight in target.weights]

    sentence = take_weights(target, weights_of(source), steps_per_epoch=8)

    assert source.weights[0].path.startswith("sequential")
    assert not {layer.name for layer in source.layers} & {layer.name for layer in target.layers}
    assert sentence == (
        "Started from trial 3 of study mnist: 2 of 4 layers taken: dense 1, dense 2; new: dense 3, dense 4."
    )
    for index in range(4):
        np.testing.assert_array_equal(read_variable(target.weights[index]), read_variable(source.weights[index]))
    for index in range(4, 8):
        np.testing.assert_array_equal(read_variable(target.weights[index]), before[index])


def test_a_layer_is_taken_whole_with_its_statistics_and_by_a_name_that_a_person_gave() -> None:
    source, target = build_cnn(), build_cnn()
    source.layers[2].moving_mean.assign([1.0, 2.0, 3.0, 4.0])

    take_weights(target, weights_of(source), steps_per_epoch=1)
    np.testing.assert_array_equal(read_variable(target.layers[2].moving_mean), [1.0, 2.0, 3.0, 4.0])

    named = keras.Sequential([layers.Input((4,)), layers.Dense(3, name="head_7")])
    other = keras.Sequential([layers.Input((4,)), layers.Dense(3, name="head_2")])
    nothing = "Started from new weights: no layer agrees in name and shape with one of trial 3 of study mnist."
    assert take_weights(other, weights_of(named), steps_per_epoch=1) == nothing


def test_a_weights_file_of_keras_applications_fills_the_net_inside_a_persons_own(tmp_path: Path) -> None:
    def base(n: int) -> keras.Model:
        inputs = keras.Input((8, 8, 3))
        x = layers.BatchNormalization(name="bn")(layers.Conv2D(n, 3, name="block1_conv1")(inputs))
        return keras.Model(inputs, layers.Conv2D(3, 3, name="block1_conv2")(x), name="vgg")

    source, own = base(4), base(4)
    outputs = layers.Dense(10, name="head")(layers.Flatten()(own.output))
    nested = keras.Sequential([keras.Input((8, 8, 3)), base(4), layers.Flatten(), layers.Dense(10, name="head")])
    path = tmp_path / "vgg_weights_notop.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"input_1", b"block1_conv1", b"bn", b"block1_conv2"]
        file.create_group("input_1").attrs["weight_names"] = np.array([], "S")
        for layer in source.layers[1:]:
            names = [f"{layer.name}_W{index}:0".encode() for index in range(len(layer.weights))]
            file.create_group(layer.name).attrs["weight_names"] = names
            for name, value in zip(names, layer.get_weights(), strict=True):
                file[layer.name][name.decode()] = value
    paths, values = read_weights_h5(path.read_bytes(), origin="vgg.h5")
    initial = InitialWeights(origin="vgg.h5", paths=tuple(paths), values=tuple(values), by_layer_alone=True)

    for model in (keras.Model(own.input, outputs), nested):
        sentence = take_weights(model, initial, steps_per_epoch=1)

        assert "3 of 4 layers taken" in sentence
        for mine, his in zip(model.get_weights(), source.get_weights(), strict=False):
            np.testing.assert_array_equal(mine, his)
    with pytest.raises(WeightsFileError, match=r"x\.h5 is no weights file of keras.applications"):
        read_weights_h5(b"no HDF5", origin="x.h5")


def test_layers_taken_are_frozen_for_their_epochs_and_learn_afterwards(digits: TrainingData) -> None:
    source = build_mlp()
    model = build_mlp()
    initial = weights_of(source, freeze_epochs=1)
    initial = replace(initial, paths=initial.paths[:2], values=initial.values[:2])
    notes: list[str] = []
    kernels: list[list[Any]] = []

    def keep(result: Epoch) -> None:
        del result
        kernels.append([read_variable(layer.kernel) for layer in model.layers if isinstance(layer, layers.Dense)])

    train(model, digits, PLAN, on_epoch=keep, on_note=notes.append, initial=initial)

    np.testing.assert_array_equal(kernels[0][0], initial.values[0])
    assert not np.array_equal(kernels[1][0], initial.values[0])
    assert not np.array_equal(kernels[0][1], kernels[1][1])
    assert notes == [
        "Started from trial 3 of study mnist: 1 of 2 layers taken, frozen for the first epoch: first; new: answer."
    ]


def test_a_model_with_frozen_weights_shares_its_program_with_no_other(digits: TrainingData) -> None:
    programs = ProgramCache()
    for freeze_epochs in (1, 0):
        initial = weights_of(build_mlp(), freeze_epochs=freeze_epochs)
        train(build_mlp(), digits, PLAN, on_epoch=lambda _: None, initial=initial, programs=programs)

        assert programs.is_empty == bool(freeze_epochs)
