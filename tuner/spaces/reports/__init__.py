"""Recipes: the nets of the four reports that this project grew out of, one module a report.

A recipe's defaults are what its author trained; its hyperparameters are what the author varied, with the values that
the report names. So a study's first trial, which takes the defaults, is the author's net, and a search over the space
is the author's experiment. What was not varied is declared with `hp.Fixed`: it is not searched, but a study's `fixed`
section can change it. Where a report's code disagrees with the summary of the net that it trained, the recipe follows
the summary and says so.

Epochs, augmentation, annealing and the split belong to a study: `studies/reports/*.toml` has them as each report
gives them.

`layers` and `training` are what the recipes have in common. A recipe takes images of any size: where a small picture
would leave nothing for a convolution or pooling, the edge is padded or the pooling left out.
"""
