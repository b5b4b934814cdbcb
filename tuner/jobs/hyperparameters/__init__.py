"""The values that a trial takes: asked for by a builder through KerasTuner's `hp`, answered by Optuna.

hp                  `OptunaHyperParameters`, which any builder can be given, and what a builder declares
optuna_parameters   one hyperparameter as Optuna knows it: its name, its distribution, the conversion of its values
initial_trials      the trials before the search draws any: defaults, baselines, the best of another study
prior_draws         what a trial takes from the study's priors; `trial_values` makes of both what a worker needs
grid, factors       the values of a grid, and of a comparison of one factor at a time, checked against the space
"""
