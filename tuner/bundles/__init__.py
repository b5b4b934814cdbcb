"""Bundles: retrained models as files that can be used without their study.

Knows: spaces, training, datasets, the artifact store. Must not know: Optuna, the database, studies; Keras only where a
model is built or asked (`model.py`, `prediction.py`, `submission.py`, `inspection.py`, `export.py` and what it uses).

How the parts work together: `bundle.py` defines the file: description, weights and provenance, in a zip with hashes
(`sealed.py`, `arrays.py`), read from any place that `bundle_places.py` knows. `model.py` turns a Keras model into a
bundle and back. `ensemble.py` defines the file of several models that vote. `prediction.py` classifies the
pictures that `picture_places.py` finds, `prediction_lists.py` writes the answers, and `submission.py` answers Kaggle's
test set, with either. `export.py` writes `served_model.py`'s model in one of the `export_formats.py`, with its
`model_card.py`; `script.py` writes it as code. What is written for people appears whole: `outputs.py`.
`predictions.py` stores what retrained models and ensembles predicted for the test set, for the report, and
`study_pictures.py` what a study's images look like and what `inspection.py` found that the model's layers see of some
(`layer_pictures.py`).
"""
