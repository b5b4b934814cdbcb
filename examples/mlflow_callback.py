"""A callback that logs each training of a study as a run of MLflow: hyperparameters first, then a point an epoch.

    callbacks = ["mlflow_callback:StudyMlflow"]

in a definition, with `MLFLOW_TRACKING_URI` set for the workers. Install `mlflow` beside tuner.
"""

from collections.abc import Mapping

import keras
import mlflow


class StudyMlflow(keras.callbacks.Callback):  # type: ignore[misc] # Keras ships no types
    """One run of MLflow for each training; a resumed trial goes on as a run of its own."""

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Begin a run: `params` says which training it is."""
        del logs
        of_job = {key: self.params[key] for key in ("study", "stage", "trial", "repeat", "fold", "augmented")}
        mlflow.set_experiment(self.params["study"])
        mlflow.start_run(run_name=f"{of_job['stage']}-{of_job['trial']}")
        mlflow.set_tags({key: value for key, value in of_job.items() if value is not None})
        mlflow.log_params(dict(self.params["hyperparameters"]))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Log what the epoch measured."""
        mlflow.log_metrics(dict(logs or {}), step=epoch + 1)

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """End the run; it is called however the training ends, unless its process dies."""
        del logs
        mlflow.end_run()
