from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from exported import DIGITS, OWN_BUILDER, digit_images, every_regime, how_trained, make_bundle

from tuner.bundles.bundle import Bundle
from tuner.bundles.keras_code import model_code
from tuner.bundles.script import NoScriptError, write_script
from tuner.bundles.script_training import augmentation_code, stopping_remark
from tuner.spaces.applications import find_application
from tuner.spaces.registry import SPACES
from tuner.training_settings import Annealing, Augmentation, Training

#: Its blocks are those of the resnet family; it takes a second to build.
LARGE = "kmnist-report-resnet34"


def run(script: str) -> dict[str, Any]:
    """Run a script as a module that is imported."""
    defined: dict[str, Any] = {"__name__": "script"}
    exec(script, defined)  # noqa: S102 - the script is what is tested
    return defined


def without_names(value: Any, positions: dict[str, int]) -> Any:
    """Return a config in which layers are called by their position, as Keras numbers their names in any order."""
    if isinstance(value, dict):
        return {
            key: positions.get(one, one) if key == "name" and isinstance(one, str) else without_names(one, positions)
            for key, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [positions.get(one, one) if isinstance(one, str) else without_names(one, positions) for one in value]
    return value


def architecture(model: keras.Model) -> Any:
    return without_names(model.get_config(), {layer.name: number for number, layer in enumerate(model.layers)})


@pytest.mark.parametrize("space", [name for name in SPACES if name not in {LARGE, "pretrained"}])
def test_a_script_builds_the_same_model_without_tuner(space: str, folder_of_bundles: Path) -> None:
    hyperparameters = {"learning_rate": 0.00123, "blocks": 1} if space in {"mlp", "cnn", "resnet"} else {}
    bundle = make_bundle(folder_of_bundles, space, hyperparameters, is_trained=False)

    script = write_script(bundle)
    built, expected = run(script)["build_model"](), bundle.build_model()

    assert "import tuner" not in script
    assert "from tuner" not in script
    assert architecture(built) == architecture(expected)
    assert built.count_params() == expected.count_params()
    for part in ("optimizer", "loss"):
        one, other = getattr(built, part), getattr(expected, part)
        assert (type(one), {**one.get_config(), "name": ""}) == (type(other), {**other.get_config(), "name": ""})
    assert [weight.shape for weight in built.weights] == [weight.shape for weight in expected.weights]


@pytest.mark.parametrize("fine_tuned", [0, 1])
def test_a_script_of_a_pretrained_net_loads_its_weights_and_freezes_what_is_frozen(
    fine_tuned: int, folder_of_bundles: Path, tmp_path: Path
) -> None:
    application = "MobileNet-0.25"
    values = {"application": application, "fine_tuned_blocks": fine_tuned, "body_rate": 0.2, "optimizer": "adamw"}
    weights = tmp_path / "net.weights.h5"
    net = find_application(application).apply(keras.Input((32, 32, 3)))
    net.save_weights(weights)
    trained = how_trained(starts_from=str(weights))
    bundle = make_bundle(folder_of_bundles, "pretrained", values, training=trained, is_trained=False)

    script = write_script(bundle)
    built, expected = run(script)["build_model"](), bundle.build_model()

    assert "import tuner" not in script
    assert "Differs: it started" not in script
    assert [weight.shape for weight in built.trainable_weights] == [one.shape for one in expected.trainable_weights]
    assert [layer.trainable for layer in built.layers if layer.weights] == [
        layer.trainable for layer in expected.layers if layer.weights
    ]
    for one, other in zip(net.weights, built.weights, strict=False):
        np.testing.assert_array_equal(one, other)
    expected.set_weights(built.get_weights())
    images = np.random.default_rng(0).random((2, 8, 8, 1), np.float32)
    np.testing.assert_allclose(built(images), expected(images), rtol=1e-5, atol=1e-6)
    if fine_tuned:
        optimizer = built.optimizer
        assert len(optimizer.slower) == len(expected.optimizer.slower_paths) > 0
        built.run_eagerly = True
        built.fit(images, np.eye(10)[[0, 1]], verbose=0)
        decayed = [weight for weight in built.trainable_weights if optimizer._use_weight_decay(weight)]
        assert [weight.shape for weight in decayed] == [built.layers[-1].kernel.shape]


def test_channels_are_flipped_in_code_as_in_the_net() -> None:
    inputs = keras.Input((4, 4, 3))
    prepare = keras.Model(inputs, find_application("VGG16").prepare(inputs))

    defined: dict[str, Any] = {}
    exec("import keras\n" + "\n".join(model_code(prepare)), defined)  # noqa: S102 - the code is what is tested

    images = np.random.default_rng(0).random((1, 4, 4, 3), np.float32)
    np.testing.assert_array_equal(defined["model"](images), prepare(images))


def test_a_script_trains_as_the_winner_was_trained(folder_of_bundles: Path) -> None:
    bundle = make_bundle(folder_of_bundles, training=how_trained(**every_regime()), is_trained=False)

    script = write_script(bundle)
    defined = run(script)
    model, (images, labels) = defined["build_model"](), defined["load_data"]()
    history = defined["train"](model, images[:96], labels[:96], epochs=1)

    assert images.shape[1:] == DIGITS.shape
    np.testing.assert_array_equal(images[:64], digit_images()[0])
    assert np.isfinite(history.history["loss"]).all()
    assert model.optimizer.weight_decay == 0.01
    assert model.loss.label_smoothing == 0.1
    assert "# Differs: tuner makes all moves in one interpolation" in script
    assert 'optimizer.exclude_from_weight_decay(var_names=["beta", "bias", "gamma"])' in script
    assert (
        "CosineDecay(\n        0.0, EPOCHS * steps_per_epoch - rise, alpha=0.001,\n        warmup_target=0.01" in script
    )


@pytest.mark.parametrize("rule", ["plateau", "step", "one-cycle"])
def test_each_rule_of_annealing_has_its_counterpart_in_keras(rule: str, folder_of_bundles: Path) -> None:
    annealing = Annealing(rule=rule, monitor="val_loss").model_dump(mode="json")
    rules = Training(early_stopping=2, class_weights="balanced").model_dump(mode="json")
    trained = how_trained(annealing=annealing, training=rules, train_on="train", n_train=40)
    bundle = make_bundle(
        folder_of_bundles, "mlp", {"units": 10, "hidden_layers": 1}, training=trained, is_trained=False
    )

    script = write_script(bundle)
    defined = run(script)
    model, (images, labels) = defined["build_model"](), digit_images()
    # Its graph is not what is tested.
    model.run_eagerly = True
    history = defined["train"](model, images, labels, (images[:9], labels[:9]), epochs=2)

    named = {"plateau": 'ReduceLROnPlateau("val_loss"', "step": "ExponentialDecay", "one-cycle": "CosineDecay"}
    assert named[rule] in script
    assert 'EarlyStopping("val_accuracy", patience=2, restore_best_weights=True)' in script
    assert len(history.history["val_loss"]) == 2


@pytest.mark.parametrize("space", ["scripted:build", "{folder}/scripted.py:build"])
def test_a_builder_of_ones_own_is_imported_with_its_values(
    space: str, folder_of_bundles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(folder_of_bundles)
    (folder_of_bundles / "scripted.py").write_text(OWN_BUILDER)
    bundle = make_bundle(
        folder_of_bundles,
        space.format(folder=folder_of_bundles),
        {"units": 7, "augmentation.rotation": 3.0},
        is_trained=False,
    )

    script = write_script(bundle)
    defined = run(script)
    model = defined["build_model"]()
    model.run_eagerly = True
    defined["train"](model, *digit_images(), epochs=1)

    assert "from scripted import build\n" in script
    assert ("# scripted.py must lie beside this script" in script) == (".py:" in space)
    assert "hp.values = {'units': 7}" in script
    assert [type(layer).__name__ for layer in model.layers] == ["Flatten", "Doubled", "Dense", "Dense"]
    assert model.count_params() == bundle.build_model().count_params()


def test_changes_of_brightness_know_the_range_that_the_model_takes() -> None:
    changed = how_trained(augmentation=Augmentation.only(contrast=0.3, cutout=0.2).model_dump(mode="json"))

    unit, wide = ("\n".join(augmentation_code(changed, found)) for found in ("unit-range", "uint8-range"))

    assert (unit.count("value_range=(0, 1)"), wide.count("value_range=(0, 255)")) == (2, 2)


def test_stopping_by_a_score_that_keras_does_not_log_is_marked() -> None:
    rules = Training(early_stopping=2).model_dump(mode="json")

    remarks = [
        stopping_remark(how_trained(training=rules, score_name=name)) for name in ("validation loss", "validation AUC")
    ]

    assert remarks == [
        None,
        "# Differs: training stopped early by the validation AUC; here it does by the validation accuracy.",
    ]


@pytest.mark.parametrize(
    "forged",
    [
        {"annealing": {"rule": "plateau", "monitor": 'loss"); print("code'}},
        {"augmentation": {"rotation": "print('code')"}},
        {"training": {"early_stopping": "print('code')"}},
    ],
)
def test_no_script_holds_what_a_forged_bundle_writes_as_a_setting(
    forged: dict[str, Any], folder_of_bundles: Path
) -> None:
    bundle = make_bundle(
        folder_of_bundles,
        "mlp",
        {"units": 10, "hidden_layers": 1},
        training=how_trained(**forged),
        is_trained=False,
    )

    with pytest.raises(NoScriptError, match="The bundle says what no training has"):
        write_script(bundle)


def test_a_bundle_that_does_not_say_how_it_was_trained_has_no_script(folder_of_bundles: Path) -> None:
    bundle = make_bundle(folder_of_bundles, "mlp", {"units": 10, "hidden_layers": 1}, is_trained=False)
    old = Bundle(description=bundle.description.model_copy(update={"training": None}), weights=bundle.weights)

    with pytest.raises(NoScriptError, match="does not say how it was trained"):
        write_script(old)


@pytest.fixture(scope="module")
def folder_of_bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bundles")
