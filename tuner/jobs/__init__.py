"""Jobs: the work of one slot, organized in the same way for the search and the finals.

    creation         creates a study from its definition
      preflight/     tries the definition first, on a few of its images
    table            selects the job of a slot by its stage
      search/        the job of the search: one trial, or several as one program
      finals/        confirmation, retraining and ensemble; `planning` adds their slots when the search is done
    context          what every job receives: study, lease, data folders, artifact store
    failures, interruptions, explaining   the other ways in which a job ends, in one line

What these are made of:

    fitting/           trains one configuration, used by all jobs: it builds the space's model and calls `training`
    hyperparameters/   KerasTuner's `hp`, answered by an Optuna trial; the values that a trial begins with
    study/             what the jobs of one study have in common: its images, space, scoring, first weights

Beside them: `replay` trains a finished trial again, `rate_range_test` tries learning rates.

A worker passes a `JobContext` to `run_job`, which returns the outcome that the slot stores. An interruption is raised
instead of returned: the slot then has no outcome, and a worker resumes it later.

This is the only package that uses both Keras and Optuna. Only `finals.jobs`, and `finals.test_part` for the preflight,
open a test set.
"""
