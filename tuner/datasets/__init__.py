"""Labelled images: the catalogue, people's own files, downloads and splits.

Knows NumPy, Pillow and the file formats. Must not know Keras, Optuna, a database or the environment. What search may
see comes from `catalogue.open_dataset`; test data comes from `test_set.load_test_set`, for `tuner.jobs` alone.

From a name or path to labelled images, in this order:

1. `catalogue` finds a name among the datasets of `published/`, or asks `formats/` which file format a path has. The
   result is a `Dataset` around a `source.Source`; no image is read yet.
2. A reader returns `reading.RawExamples`: values and labels as they are in the files, within the limits of `reading`.
   Picture files are decoded in `pictures/`; `left_out` counts what is not read.
3. `source` asks `pixels/` what the values of the whole training part mean. The decision is a `PixelMeaning`, which a
   study and its bundles keep; it alone turns values into bytes. What it guesses, and `copies`, become warnings.
4. `source` scales images, inverts them where that was decided, and turns labels into class indices. The result is
   `images.LabelledImages`.
5. `division/` takes a fifth away where the dataset has no test set, and divides the rest into training and validation
   images, or into folds. `image_cache` keeps them in files that all processes of a machine share.

The test part is read by `test_set` in the same steps, with the meaning that training decided. For a prediction,
`pictures.predicted` reads one picture and `published.kaggle` a table, by the meaning in the bundle.

`summary` and `sample_sheet` (with `fonts`) show a dataset to people. `handed_arrays` keeps what scripts hand over.
Arrays that are larger than memory are `large_arrays`, read by `stored_rows`; `single_builder` lets one process of a
machine build what all of them use, and `progress` tells how far it is.
"""
