"""The formats in which people have their own data, and the labels in them.

file_formats     the table of formats, and which one a path has; `unrecognised` is the error for a path with none
npz, npy         NumPy archives
idx              the format of MNIST
csv_file         tables of pixels: `csv_table` reads one, `csv_columns` judges its columns
class_folders    folders of pictures: `folder_parts` finds their parts, `picture_lists` and `picture_table` their labels
arrays, labels   checks of arrays of pixels; from labels to class indices
"""
