"""Divide images: into training, validation and test images, or into folds.

splits         stratified draws that are the same on every machine; `group_shares` keeps groups together
folds          cross-validation
holdout        the test set of a dataset that has none
given          how a dataset itself asks to be divided
copies         pictures that are there more than once
"""
