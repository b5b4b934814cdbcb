"""The first trials of a study that was created where no model can be built: a worker finds their values.

Only the space knows its defaults, and by which names Optuna asks for a baseline's values. Such a study therefore stores
the place of a first trial alone, see `SearchJob.beginning`.
"""

from dataclasses import replace

from tuner.datasets.images import ImageFormat
from tuner.jobs.grid import check_grid
from tuner.jobs.hyperparameters import declared_parameters
from tuner.jobs.initial_trials import first_trials
from tuner.spaces.space import Space
from tuner.studies.definition import StudyDefinition
from tuner.studies.outcomes import SearchJob


def find_values(job: SearchJob, definition: StudyDefinition, space: Space, images: ImageFormat) -> SearchJob:
    """Return the job with the values that its trial begins with; a job that has a place no more is returned as it is.

    Equal definitions give equal values on every worker.

    Raises:
        TunerError: The space does not build, or the definition does not fit it.
    """
    if job.beginning is None:
        return job
    declared = declared_parameters(space, images, fixed=definition.fixed, ranges=definition.ranges)
    check_grid(definition.search, declared)
    trials = first_trials(definition.search, declared, fixed=definition.fixed)
    # Equal first trials count once, so that there may be fewer.
    values = trials[job.beginning] if job.beginning < len(trials) else {}
    return replace(job, values=values, beginning=None)
