"""Finals: the best configurations confirmed with new seeds, retrained, tested once, combined; bundles that predict.

The only package that opens a test set, through `tuner.datasets.test_set`, and only in `retraining`, after every choice
is made. Keras is imported by the modules that build, train or run a model; `planning`, `evaluation`, `intervals` and
`ensemble` do without, so that the report reads results quickly.
"""
