"""Labelled images: the catalogue, people's own files, downloads and splits.

Knows NumPy, Pillow and the file formats. Must not know Keras, Optuna, a database or the environment. What search may
see comes from `catalogue.open_dataset`; test data comes from `test_set.load_test_set`, for `tuner.jobs` alone.

From a name or path to labelled images, in this order:

1. `catalogue` finds a name in its table (`mnist`, `digits`, `kaggle`: an `entry` each, with a reader), or asks
   `file_formats` which file format a path has: `npz`, `csv_file`, `idx` or `class_folders`. A path that none of them
   recognises is described by `unrecognised`. The result is a `Dataset` around a `source.Source`; no image is read yet.
2. A reader returns `reading.RawExamples`: values and labels as they are in the files, within the limits of `reading`.
   `arrays` checks the shape of arrays; `csv_columns` and `csv_table` read tables; `folder_parts`, `picture_file`,
   `orientation` and `picture_stack` read folders of pictures; `left_out` counts what is not read.
3. `source` asks `pixel_decision` what the values of the whole training part mean. `range_decision` (with
   `stored_range`) finds the values that are black and white, `transparency` the background, `polarity` whether pictures
   are dark on light. The decision is a `pixel_meaning.PixelMeaning`, which a study and its bundles keep; it alone turns
   values into bytes. Guesses, `pixel_warnings` and `copies` become warnings.
4. `source` scales images (`scaling`), inverts them where that was decided, and turns labels into class indices
   (`labels`). The result is `images.LabelledImages`.
5. `holdout` takes a fifth away where the dataset has no test set, and `splits` divides the rest into training and
   validation images, or `folds` into folds. `image_cache` keeps them in files that all processes of a machine share.

The test part is read in the same steps with the meaning that training decided; `part_comparison` compares both parts.
For a prediction `predicted_picture` reads one picture and `kaggle` a table, by the meaning in the bundle;
`character_page` finds the character on a photograph.

`summary` and `sample_sheet` (with `fonts`) show a dataset to people. `fetch`, `download` and `checksum` download
published files.
"""
