"""A callback that writes TensorBoard's event files: one folder for each training of a study.

    callbacks = ["tensorboard_callback:StudyTensorBoard"]

in a definition, and `tensorboard --logdir runs` beside the workers. Start the workers in the folder of this file.
"""

import os
from pathlib import Path
from typing import Any

import keras


class StudyTensorBoard(keras.callbacks.TensorBoard):  # type: ignore[misc] # Keras ships no types
    """Keras' TensorBoard, with a folder that `params` of the training names."""

    def __init__(self) -> None:
        # Neither profiles nor histograms: no batch is told of.
        super().__init__(update_freq="epoch")

    def set_params(self, params: dict[str, Any]) -> None:
        """Name the folder after the training: `params` says which one it is."""
        super().set_params(params)
        numbers = [f"{key}-{params[key]}" for key in ("trial", "repeat", "fold") if params[key] is not None]
        parts = [params["stage"], *numbers]
        if params["augmented"] is False:
            parts.append("plain")
        self.log_dir = str(Path(os.environ.get("TENSORBOARD_RUNS", "runs")) / params["study"] / "-".join(parts))
