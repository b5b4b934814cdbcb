"""Jobs: the work of one slot, the same for the search and the finals.

    planning      which slots come next: confirmations, retrainings, the ensemble
    table         what to run for a slot of each stage: `trial` for the search, `finals` for the rest
    context       what a job is given
    fitting       one training run for either: `hyperparameters` from Optuna or fixed, the space, `training`
    study_data    the images of a study, compared with what it was created with
    failures, interruptions, time_limit     how a job ends otherwise
    creation      a study from its definition, tried before by `preflight`
    replay        a trial again

Here Keras and Optuna meet, and here alone. Only `finals`, and `test_part` for the preflight, open a test set.
"""
