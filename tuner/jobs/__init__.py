"""Jobs: the work of one slot, organized in the same way for the search and the finals.

    creation        creates a study from its definition; `preflight` tries the definition first
    planning        creates the slots of the next stage: confirmations, retrainings, the ensemble
    table           selects the job of a slot by its stage: `trial` for the search, `finals` for the rest
    context         what every job receives: study, lease, data folders, artifact store
    fitting         one training run, used by all jobs: it builds the space's model and calls `training`
    fitting_at_once several training runs as one program, where the backend can
    folds           several training runs for one score: cross-validation; `finished_folds` keeps what is done of it
    hyperparameters KerasTuner's `hp`, answered by an Optuna trial
    regime          how a configuration is trained, with the ranges that the search draws as hyperparameters
    starting_weights, weights_file          what a study's models start from: a bundle, a file, Keras' cache folder
    pretrained_check                        what a study of pretrained nets lacks, before a model is built
    prior_draws                             what a trial draws from the study's priors before its sampler draws the rest
    study_data      the images of a study, after a check that they are those it was created with
    failures, interruptions, time_limit     the other ways in which a job ends
    replay          trains a finished trial again
    ensemble_over_studies                   lets the retrained models of several studies vote

A worker passes a `JobContext` to `run_job`, which returns the outcome that the slot stores. An interruption is raised
instead of returned: the slot then has no outcome, and a worker resumes it later.

This is the only package that uses both Keras and Optuna. Only `finals`, and `test_part` for the preflight, open a test
set.
"""
