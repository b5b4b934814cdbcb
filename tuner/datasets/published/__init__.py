"""Published datasets: the entries of the catalogue, and their download.

entry            what the catalogue knows of one dataset
mnist, digits    datasets with their readers; `kaggle` also reads the images of its competition
fetch            downloads a dataset: `download` one file, `checksum` its hash
"""
