"""Architectures to search: one family a file, and people's own builders by import path.

Knows Keras, KerasTuner and the format of images; knows no Optuna, no database, no data and no training. A family asks
its hyperparameters from KerasTuner's `hp` and returns a compiled model that takes float32 images in [0, 1] and ends in
class probabilities. `registry` alone can be imported without Keras.
"""
