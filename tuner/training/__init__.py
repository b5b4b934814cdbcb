"""One training run of one Keras model, epoch by epoch.

Knows Keras and its backends, images and artifacts: whole-epoch programs, augmentation, annealing, checkpoints, devices.
Must not know Optuna, the database, studies or trials, nor where a model came from; what an epoch's result is good for
is decided by the caller's `on_epoch`. Start reading at `run.train`.
"""
