"""The same search by several programs: one HyperModel, one data set, and who trains it how; see `bench/search.py`."""
