"""Labelled images: the catalogue, people's own files, downloads and splits.

Knows NumPy, Pillow and the file formats. Must not know Keras, Optuna, a database or the environment. What search may
see comes from `catalogue.open_dataset`; test data comes from `test_set.load_test_set`, for `tuner.jobs` alone.
"""
