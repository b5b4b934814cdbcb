"""Which models a CPU trains faster when XLA compiles the loop over an epoch's batches as one program.

There XLA merges the many small operations of a dense net's step, most of them the optimizer's: 784-100-100-10 at batch
32 takes 0.20 s an epoch of 54,000 images instead of 0.56 (2 cores). But its convolutions are slow there (12 times as
long, measured under JAX), it draws dropout's random bits again for each output that needs them (2 to 4 times as long),
and it compiles some tenths of a second longer, see `docs/experiments.md`.
"""

import math

import keras
from keras import layers

from tuner.training.plan import TrainingData, TrainingPlan
from tuner.training.programs.interface import find_backend

#: Dense products, normalization and elementwise layers: `Dense`, `BatchNormalization` and activations were measured,
#: the others are alike. No random layers, no windows.
_LAYERS = {
    layers.Activation,
    layers.Add,
    layers.BatchNormalization,
    layers.Concatenate,
    layers.Dense,
    layers.ELU,
    layers.Flatten,
    layers.InputLayer,
    layers.LayerNormalization,
    layers.LeakyReLU,
    layers.PReLU,
    layers.ReLU,
    layers.Rescaling,
    layers.Reshape,
    layers.Softmax,
}
#: Beyond it a step computes longer than XLA saves between operations.
_LARGEST_BATCH = 128
#: Steps of a whole run, or of all runs that share its program, below which compiling takes longer than it saves, which
#: is 0.1 to 0.4 ms a step; half of a search's trials end early, and TensorFlow never frees a program by XLA.
FEWEST_STEPS = 5000


def is_faster_with_xla(model: keras.Model, data: TrainingData, plan: TrainingPlan) -> bool:
    """Say whether XLA should compile the epochs of a run.

    Model and plan alone decide, so that a run computes as before when it is resumed or replayed elsewhere.

    Args:
        model: Compiled, with nothing in it but Keras' own parts.
        data: What it trains on.
        plan: How, all epochs of it.
    """
    n_steps = plan.n_models * plan.epochs * math.ceil(len(data.train) / plan.batch_size)
    backend = find_backend()
    pays = n_steps >= FEWEST_STEPS or (backend is not None and backend.COMPILES_STEPS_WITH_XLA)
    return (
        pays
        and plan.augmentation is None
        and plan.batch_size <= _LARGEST_BATCH
        and all(type(layer) in _LAYERS and layer.dtype_policy.name == "float32" for layer in model.layers)
    )
