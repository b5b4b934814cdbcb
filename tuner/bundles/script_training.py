"""How a model was trained, as code of plain Keras: augmentation, learning rate and rules of training."""

from collections.abc import Iterator, Mapping
from typing import Any

from tuner.bundles.bundle import HowTrained
from tuner.image_ranges import UNIT_RANGE, ImageRange, white_value

#: Setting of `Augmentation` → the layer of Keras that comes closest, in the order in which they are applied.
_LAYERS: Mapping[str, str] = {
    "rotation": 'keras.layers.RandomRotation({value} / 360, fill_mode="constant")',
    "zoom": 'keras.layers.RandomZoom({value}, {value}, fill_mode="constant")',
    "shear": 'keras.layers.RandomShear(x_factor={value}, fill_mode="constant")',
    "shift": 'keras.layers.RandomTranslation({value}, {value}, fill_mode="constant")',
    "contrast": "keras.layers.RandomContrast({value}, value_range=(0, {white}))",
    "brightness": "keras.layers.RandomBrightness({value}, value_range=(0, {white}))",
    "cutout": "keras.layers.RandomErasing(scale=({value}**2, {value}**2), fill_value=0, value_range=(0, {white}))",
}
#: The score by which training stops early → its name in Keras' logs.
_MONITORS: Mapping[str, str] = {"validation accuracy": "val_accuracy", "validation loss": "val_loss"}
#: What mixes images and labels.
_MIXERS: Mapping[str, str] = {
    "mixup": "keras.layers.MixUp(alpha={value})",
    "cutmix": "keras.layers.CutMix(factor={value})",
}


def augmentation_code(training: HowTrained, image_range: ImageRange = UNIT_RANGE) -> Iterator[str]:
    """Yield `augment(pictures, labels)` for batches of a `tf.data.Dataset`; nothing where images are not changed.

    Args:
        training: How.
        image_range: In which the model takes its images.
    """
    values, white = training.augmentation or {}, f"{white_value(image_range):g}"
    layers = [text.format(value=values[name], white=white) for name, text in _LAYERS.items() if values.get(name)]
    mixers = [text.format(value=values[name]) for name, text in _MIXERS.items() if values.get(name)]
    if not layers and not mixers:
        if values.get("elastic"):
            yield "# Differs: images were displaced elastically; Keras has no layer of equal settings.\n"
        return
    yield ""
    yield ""
    yield "# Differs: tuner makes all moves in one interpolation, and draws others than these layers of Keras do."
    if values.get("elastic"):
        yield f"# Differs: images were displaced elastically too (elastic = {values['elastic']}); left out here."
    if layers:
        yield "CHANGES = ["
        yield from (f"    {layer}," for layer in layers)
        yield "]"
    if mixers:
        yield "MIXERS = ["
        yield from (f"    {layer}," for layer in mixers)
        yield "]"
    yield ""
    yield ""
    yield "def augment(pictures, labels):"
    yield '    """Change each picture of a batch at random."""'
    if layers:
        yield "    for layer in CHANGES:"
        yield "        pictures = layer(pictures, training=True)"
    if mixers:
        if len(mixers) > 1:
            yield "    # Differs: each image gets both; in tuner one of the two."
        yield "    for layer in MIXERS:"
        yield '        mixed = layer({"images": pictures, "labels": labels}, training=True)'
        yield '        pictures, labels = mixed["images"], mixed["labels"]'
    yield "    return pictures, labels"


def is_augmented(training: HowTrained) -> bool:
    """Return whether `augmentation_code` yields a function."""
    return any(line.startswith("def augment") for line in augmentation_code(training))


def schedule_code(training: HowTrained, *, rate: float) -> Iterator[str]:
    """Yield the lines that give `model.optimizer` its schedule; nothing for rules that are callbacks.

    Args:
        training: How.
        rate: The highest one.
    """
    annealing = training.annealing or {}
    rule = annealing.get("rule")
    if rule not in {"cosine", "one-cycle", "step"}:
        return
    warmup, lowest = annealing["warmup_epochs"], min(annealing["min_lr"], rate)
    yield "steps_per_epoch = -(-len(images) // BATCH_SIZE)"
    if rule == "step":
        if warmup:
            yield f"# Differs: the learning rate rose through {warmup} epochs first."
        yield f"# Differs: it never fell below {lowest}."
        yield "model.optimizer.learning_rate = keras.optimizers.schedules.ExponentialDecay("
        yield f"    {rate}, {annealing['every_epochs']} * steps_per_epoch, {annealing['factor']}, staircase=True"
        yield ")"
        return
    rise = f"{warmup} * steps_per_epoch" if warmup or rule == "cosine" else "round(0.3 * EPOCHS * steps_per_epoch)"
    start, end = (0.0, lowest / rate) if rule == "cosine" else (rate / 25, max(lowest / rate, 1 / 25e4))
    if rule == "one-cycle":
        yield "# Differs: the rise was half a cosine, here it is a straight line."
    yield f"rise = {rise}"
    yield "model.optimizer.learning_rate = keras.optimizers.schedules.CosineDecay("
    rises = bool(warmup) or rule == "one-cycle"
    yield f"    {float(start if rises else rate)}, EPOCHS * steps_per_epoch - rise, alpha={end:.6g},"
    if rises:
        yield f"    warmup_target={rate}, warmup_steps=rise,"
    yield ")"


def callback_calls(training: HowTrained, *, has_validation: bool) -> Iterator[str]:
    """Yield the callbacks of `model.fit`, each as an expression."""
    annealing, rules = training.annealing or {}, training.training
    if annealing.get("rule") == "plateau":
        monitor = annealing["monitor"] if has_validation else annealing["monitor"].removeprefix("val_")
        settings: dict[str, Any] = {name: annealing[name] for name in ("factor", "patience", "min_delta", "cooldown")}
        written = ", ".join(f"{name}={value}" for name, value in settings.items())
        yield f'keras.callbacks.ReduceLROnPlateau("{monitor}", {written}, min_lr={annealing["min_lr"]})'
    if rules.get("early_stopping") and has_validation:
        monitor = _MONITORS.get(training.score_name, "val_accuracy")
        patience = rules["early_stopping"]
        yield f'keras.callbacks.EarlyStopping("{monitor}", patience={patience}, restore_best_weights=True)'


def stopping_remark(training: HowTrained) -> str | None:
    """Return a comment where Keras cannot stop early by the score that training stopped by; None elsewhere."""
    if not training.training.get("early_stopping") or training.score_name in _MONITORS:
        return None
    score = " ".join(training.score_name.split())
    return f"# Differs: training stopped early by the {score}; here it does by the validation accuracy."


def class_weight_code(training: HowTrained, n_classes: int) -> str | None:
    """Return the value of `class_weight` in `model.fit`, where `labels` are class indices; None where all count 1."""
    weights = training.training.get("class_weights", "none")
    if weights == "none":
        return None
    if weights == "balanced":
        return "{label: len(labels) / (%d * n) for label, n in enumerate(np.bincount(labels)) if n}" % n_classes  # noqa: UP031
    return repr(dict(enumerate(weights)))
