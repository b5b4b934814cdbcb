"""What is known of a builder's model before it is trained: shapes, weights, accuracy, outputs, scaling."""

import json
import re

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from support.own_builders import odd
from typer.testing import CliRunner

from tuner.cli.space import app
from tuner.datasets.images import ImageFormat
from tuner.image_ranges import mark_range
from tuner.jobs.preflight.model_check import NoAccuracyMetricError, WholeNumberInputError, check_model
from tuner.spaces.builder_errors import BuilderError
from tuner.spaces.import_path import SpaceModelError
from tuner.spaces.registry import fixed_hyperparameters, open_space
from tuner.training.accuracy import accuracy_names, lacks_accuracy
from tuner.training.predictions import predict_probabilities

pytestmark = [
    pytest.mark.usefixtures("beside_own_builders"),
    # Keras' own, of `subclass_built`.
    pytest.mark.filterwarnings("ignore:.build... was called on layer:UserWarning"),
]


def build(name: str, images: ImageFormat) -> keras.Model:
    keras.utils.set_random_seed(0)
    return open_space(f"own_builders.odd:{name}").build(fixed_hyperparameters({}), images)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("other_size", r"input has shape \(None, 28, 28, 1\), expected \(None, 8, 8, 1\)"),
        ("flat", r"input has shape \(None, 64\), expected \(None, 8, 8, 1\)"),
        ("colour", r"input has shape \(None, 8, 8, 3\), expected \(None, 8, 8, 1\)"),
        ("two_inputs", r"has 2 inputs, of shapes \(None, 8, 8, 1\) and \(None, 3\)"),
        ("dictionary", "returns a dictionary with the keys 'digit', expected one tensor"),
        ("two_outputs", r"returns a list of 2 tensors of shapes \(None, 10\), \(None, 2\)"),
        ("list_of_one", "returns a list of 1 tensors .* without a list"),
        ("one_sigmoid", r"output has shape \(None, 1\), .* end in Dense\(10, activation='softmax'\)"),
        ("too_few", r"output has shape \(None, 7\), expected \(None, 10\)"),
        ("too_few_without_input", r"output has shape \(None, 7\), expected \(None, 10\)"),
        ("not_flat", r"output has shape \(None, 8, 8, 10\), .* Add Flatten"),
        ("wrong_subclass", r"output has shape \(None, 3\), expected \(None, 10\)"),
        ("subclass_of_other_size", r"cannot be called on images of shape \(None, 8, 8, 1\): ValueError"),
    ],
)
def test_a_net_that_cannot_take_the_pictures_is_refused_in_one_line(
    name: str, reason: str, digits: ImageFormat
) -> None:
    with pytest.raises(SpaceModelError, match=reason) as error:
        build(name, digits)

    assert "\n" not in str(error.value)


def test_an_input_of_whole_numbers_is_refused_unless_images_go_to_255(digits: ImageFormat) -> None:
    space, model = open_space("own_builders.odd:whole_numbers"), build("whole_numbers", digits)

    with pytest.raises(WholeNumberInputError, match=r"input has the type int32: images arrive as float32 in \[0, 1\]"):
        check_model(space, model, digits)

    mark_range(model, "uint8-range")
    assert check_model(space, model, digits).accuracy_name == "accuracy"


def test_a_model_without_a_weight_to_train_is_told(digits: ImageFormat) -> None:
    (told,) = check_model(open_space("own_builders.odd:frozen"), build("frozen", digits), digits).warnings

    assert "no weight that is trained" in told


def test_a_metric_that_keras_does_not_know_is_said(digits: ImageFormat) -> None:
    with pytest.raises(NoAccuracyMetricError, match=r"cannot compute its metrics .*: accurracy\)"):
        check_model(open_space("own_builders.odd:misspelt"), build("misspelt", digits), digits)


def test_grey_pictures_may_come_without_their_channel(digits: ImageFormat) -> None:
    assert build("without_channel", digits).output_shape == (None, 10)


@pytest.mark.parametrize(
    ("name", "n_weights"),
    [
        ("subclass", 64 * 4 + 4 + 4 * 10 + 10 + 4 * 4 + 4 + 4 * 4),
        ("subclass_called", 346),
        ("subclass_built", 346),
        ("nested_subclass", 64 * 4 + 4 + 4 * 10 + 10),
    ],
)
def test_a_subclass_has_all_its_weights_those_for_training_too(name: str, n_weights: int, digits: ImageFormat) -> None:
    model = build(name, digits)
    n_before = model.count_params()

    model.fit(np.zeros((4, 8, 8, 1), np.float32), np.arange(4), verbose=0)

    assert model.count_params() == n_before == n_weights


def test_a_model_that_keras_has_not_built_is_described() -> None:
    result = CliRunner().invoke(app, ["show", "own_builders.odd:subclass", "--dataset-shape", "8x8x1", "--json"])

    assert json.loads(result.stdout)["n_weights"] == 346


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        (["accuracy"], "accuracy"),
        (["acc"], "acc"),
        (["sparse_categorical_accuracy"], "sparse_categorical_accuracy"),
        ([keras.metrics.SparseCategoricalAccuracy(name="my_acc")], "my_acc"),
        ([keras.metrics.SparseTopKCategoricalAccuracy(k=3, name="accuracy"), "acc"], "acc"),
        ([odd.error_rate, odd.share_right], "share_right"),
        ([odd.share_right, odd.share_right], "share_right"),
    ],
)
def test_accuracy_is_found_by_what_it_measures(metrics: list[object], expected: str) -> None:
    model = odd.measuring(metrics)

    assert accuracy_names(model, 10, "indices")[0] == expected
    assert not lacks_accuracy(model, 10, "indices")


def test_accuracy_is_found_among_one_hot_metrics_and_weighted_ones() -> None:
    one_hot = [keras.metrics.AUC(), keras.metrics.F1Score(), keras.metrics.CategoricalAccuracy(name="top1")]
    weighted = odd.measuring([keras.metrics.AUC()], loss="categorical_crossentropy", weighted_metrics=["accuracy"])

    assert accuracy_names(odd.measuring(one_hot, loss="categorical_crossentropy"), 10, "one-hot")[0] == "top1"
    assert accuracy_names(weighted, 10, "one-hot")[0] == "accuracy"


@pytest.mark.parametrize(
    "metrics",
    [[], [keras.metrics.AUC()], [keras.metrics.BinaryAccuracy(name="accuracy")], [keras.metrics.Precision(name="acc")]],
)
@pytest.mark.parametrize("n_classes", [2, 10])
def test_what_counts_otherwise_is_no_accuracy_whatever_its_name(metrics: list[object], n_classes: int) -> None:
    model = odd.measuring(metrics, loss="categorical_crossentropy", units=n_classes)

    assert lacks_accuracy(model, n_classes, "one-hot")
    assert not {"accuracy", "acc"} & set(accuracy_names(model, n_classes, "one-hot")) & {str(m.name) for m in metrics}


def test_a_metric_of_a_models_own_step_is_found_too() -> None:
    inputs = keras.Input((8, 8, 1))
    model = odd.OwnStep(inputs, keras.layers.Dense(10, "softmax")(keras.layers.Flatten()(inputs)))
    model.compile("sgd", "sparse_categorical_crossentropy")

    assert accuracy_names(model, 10, "indices")[0] == "right"
    assert not lacks_accuracy(model, 10, "indices")


def test_to_look_at_metrics_leaves_them_empty() -> None:
    model = odd.measuring(["accuracy"])

    accuracy_names(model, 10, "indices")

    assert model.evaluate(np.zeros((2, 8, 8, 1)), np.zeros(2), verbose=0, return_dict=True)["accuracy"] in {0.0, 1.0}


@pytest.mark.parametrize(("name", "measured"), [("no_metrics", "nothing"), ("auc_alone", "area")])
def test_a_model_that_measures_no_accuracy_is_refused(name: str, measured: str, digits: ImageFormat) -> None:
    space = open_space(f"own_builders.odd:{name}")

    with pytest.raises(NoAccuracyMetricError, match=rf"it measures {measured}\. .*metrics=\['accuracy'\]"):
        check_model(space, build(name, digits), digits)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("probabilities", "probabilities"),
        ("logits", "logits"),
        ("own_loss_on_logits", "logits"),
        ("binary_logits", "binary logits"),
        ("sigmoids", "sigmoids"),
        ("subclass", "probabilities"),
    ],
)
def test_predictions_are_probabilities_in_the_order_of_the_outputs(name: str, kind: str, digits: ImageFormat) -> None:
    model = build(name, digits)
    images = np.random.default_rng(1).integers(0, 256, (20, 8, 8, 1), np.uint8)
    outputs = model.predict(images / np.float32(255), verbose=0)

    predicted = predict_probabilities(model, images)

    assert check_model(open_space(f"own_builders.odd:{name}"), model, digits).output_kind == kind
    assert predicted.min() >= 0
    assert predicted.max() <= 1
    np.testing.assert_allclose(predicted.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(predicted.argsort(axis=1), outputs.argsort(axis=1))
    np.testing.assert_allclose(predict_probabilities(model, images[:1]), predicted[:1], atol=1e-6)


def test_softmax_of_logits_has_the_right_values(digits: ImageFormat) -> None:
    model = build("logits", digits)
    for weight in model.weights:
        weight.assign(keras.ops.zeros(weight.shape))
    model.weights[1].assign(np.log(np.arange(1, 11, dtype=np.float32)) + 5)

    predicted = predict_probabilities(model, np.zeros((1, 8, 8, 1), np.uint8))

    np.testing.assert_allclose(predicted[0], np.arange(1, 11) / 55, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("scaled_twice", "rescaling"),
        ("scaled_twice_flat", "rescaling"),
        ("scaled_twice_within", "rescaling"),
        ("subclass_scaled_twice", "rescaling"),
        ("scaled_back", None),
        ("scaled_once", None),
        ("probabilities", None),
        ("subclass", None),
    ],
)
def test_images_that_are_scaled_twice_are_told(name: str, layer: str | None, digits: ImageFormat) -> None:
    warnings = check_model(open_space(f"own_builders.odd:{name}"), build(name, digits), digits).warnings

    assert len(warnings) == (layer is not None)
    assert all(f"layer '{layer}" in warning and "scaled twice" in warning for warning in warnings)


def test_what_a_builder_prints_is_not_in_the_answer() -> None:
    result = CliRunner().invoke(app, ["show", "own_builders.odd:prints", "--dataset-shape", "8x8x1", "--json"])

    assert json.loads(result.stdout)["parameters"][0]["name"] == "units"
    assert "built" in result.stderr


def test_an_exception_of_a_builder_is_one_line_with_its_place(digits: ImageFormat) -> None:
    with pytest.raises(
        BuilderError, match=r"TypeError in the builder of own_builders.odd:raises \(odd.py, line \d+\): A `Choice` can"
    ) as error:
        build("raises", digits)

    assert "\n" not in str(error.value)


#: Builders of a person who has read another tutorial, and what the warning about each says.
MISTAKES = [
    ("logits_as_probabilities", "outputs are logits .* End the model in activation='softmax'"),
    ("logits_of_a_subclass", "outputs are logits"),
    ("softmax_as_logits", r"outputs are probabilities .* sparse_categorical_crossentropy\(from_logits=True\)"),
    ("sigmoids_for_one_class", r"ends in sigmoids, .* sparse_categorical_crossentropy is for a softmax"),
    ("sigmoids_for_each_class", None),
    ("resized_and_rescaled", r"arrive in \[0, 1\], into values from 0 to 0.0039.*: they are scaled twice"),
    ("moved_by_a_mean", "into values from -128 to -126"),
    ("coloured_and_moved", "scaled twice"),
    ("divided_in_call", "What the model computes before its layer '.*' turns images"),
    ("divided_by_16", r"from 0 to 0.0625: they are scaled twice"),
    ("divided_with_a_lambda", "scaled twice"),
    ("softmax_twice", r"applies softmax to outputs to which 'dense\w*' has applied softmax .* above 0.23"),
    ("softmax_of_a_nets_sigmoids", r"applies softmax to outputs to which 'dense\w*' has applied sigmoid"),
    ("embedded_fractions", r"layer 'embedding\w*' reads pixels as whole numbers"),
    ("embedded_after_a_cast", "reads pixels as whole numbers"),
    ("logits_declared", None),
    ("softmax_after_a_hidden_one", None),
    ("embedded_bytes", None),
    ("pooled_first", None),
    ("subclass_without_scaling", None),
]


@pytest.mark.parametrize(("name", "expected"), MISTAKES, ids=[name for name, _ in MISTAKES])
def test_what_a_model_does_to_its_images_and_its_loss_is_doubted_where_it_is_no_use(
    name: str, expected: str | None, digits: ImageFormat, pictures: NDArray[np.uint8]
) -> None:
    space = open_space(f"own_builders.doubtful:{name}")
    model = space.build(fixed_hyperparameters({}), digits)

    warnings = check_model(space, model, digits, examples=pictures).warnings

    if expected is None:
        assert warnings == ()
    else:
        assert len(warnings) == 1
        assert re.search(expected, warnings[0])


def test_a_model_that_scales_by_itself_is_not_doubted_in_the_range_that_it_takes(
    digits: ImageFormat, pictures: NDArray[np.uint8]
) -> None:
    space = open_space("own_builders.doubtful:resized_and_rescaled")
    model = space.build(fixed_hyperparameters({}), digits)
    mark_range(model, "uint8-range")

    assert check_model(space, model, digits, examples=pictures).warnings == ()
