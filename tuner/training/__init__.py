"""One training run of one Keras model, epoch by epoch: `train.train`.

The way of one epoch:

    train.py             opens the run (`opening.py`) that is asked for (`request.py`), and chooses one of three ways
      whole_epochs.py    whole-epoch programs, where model and images allow it
        programs/        one call into TensorFlow or JAX trains the epoch, one more validates it
      keras_loop.py      Keras' own loop, for models that override it and images too large for the device
      own_fit.py         a HyperModel's own `fit`; `fit_call.py` tells whether a program can do what it asks
    epoch_draws.py       draws the epoch's order and augmentation, from (seed, epoch) alone
      augmentation/      one module a kind of change: drawn on the host, applied where the images are
    run.py               takes the epoch's logs: makes an `Epoch` of them, writes the checkpoint, tells `on_epoch`
      annealing.py       sets the learning rates of the next epoch
      rules.py           averages weights, weighs classes, stops early and holds the best weights
      accuracy.py        finds the accuracy among the logs
      scoring.py         measures the score where it is none of Keras' losses and accuracies
      checkpoint.py      stores what a new process needs to go on

Beside them: `targets.py` chooses between class indices and one-hot rows, `initial_weights.py` starts a model from the
weights of another one, `weights_h5.py` reads those of keras.applications, `predictions.py` turns outputs into
probabilities, `backend.py` imports Keras, `devices.py` lists devices and names their failures, `session.py` holds what
belongs to the whole process. `rate_range.py` and `rate_curve.py` are the learning-rate range test, `layer_outputs.py`
looks into a trained model, and `augmented_examples.py` shows what augmentation does.

`populations/` trains several models of equal structure as one program.

Knows Keras and its backends, images and artifacts. Must not know Optuna, the database, studies or trials, nor where a
model comes from; the caller's `on_epoch` decides what an epoch's result is good for.
"""
