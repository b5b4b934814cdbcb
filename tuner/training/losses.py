"""Whether a model's loss takes its outputs for what they are: probabilities, logits, or a probability of each class."""

import keras

from tuner.training.predictions import OutputKind

#: Keras' losses that need to know.
_CROSSENTROPIES = {
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
    "binary_crossentropy",
    "categorical_focal_crossentropy",
    "binary_focal_crossentropy",
}
#: Those of a distribution over the classes.
_OF_DISTRIBUTIONS = {"categorical_crossentropy", "sparse_categorical_crossentropy"}


def doubt_about_loss(model: keras.Model, kind: OutputKind, *, sigmoids_of_logits: bool = False) -> str | None:
    """Return a warning where one of Keras' crossentropies takes outputs for what they are not; else None.

    Args:
        model: A compiled model.
        kind: The kind of its outputs.
        sigmoids_of_logits: Whether they are sigmoids for which Keras looks up what they were computed from.
    """
    try:
        loss = keras.losses.get(model.loss)
    except (TypeError, ValueError):
        return None
    name = getattr(loss, "name", None) or getattr(loss, "__name__", "")
    if name not in _CROSSENTROPIES or not type(loss).__module__.startswith(("keras", "builtins")):
        return None
    from_logits = bool(loss.get_config().get("from_logits")) if isinstance(loss, keras.losses.Loss) else False
    class_name = "".join(part.capitalize() for part in name.split("_"))
    if not from_logits and kind in ("logits", "binary logits"):
        return (
            f"The model's outputs are logits (no softmax at its end), and its loss {name} takes them for "
            "probabilities: it learns badly or not at all. End the model in activation='softmax', or compile it with "
            f"keras.losses.{class_name}(from_logits=True)."
        )
    if from_logits and kind == "probabilities":
        return (
            f"The model's outputs are probabilities (a softmax at its end), and its loss {name}(from_logits=True) "
            "takes them for logits: it learns more slowly or not at all. Leave out one of the two."
        )
    if sigmoids_of_logits and not from_logits and name in _OF_DISTRIBUTIONS:
        # `_get_logits` in keras/src/backend/tensorflow/nn.py.
        return (
            f"The model ends in sigmoids, and its loss {name} is for a softmax: on TensorFlow, Keras trains a softmax "
            "of what the sigmoids are computed from. Once several sigmoids of an image round to 1, the first of these "
            "classes is the answer: accuracy falls although the loss falls too. End the model in "
            "activation='softmax', or compile it with loss='binary_crossentropy'."
        )
    return None
