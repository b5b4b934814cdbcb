"""The values that a trial takes without drawing them, as a worker finds them: a first trial's, and those of priors.

Only the space knows its defaults, and by which names Optuna asks for a baseline's values. A study that was created
where no model can be built therefore stores the place of a first trial alone, see `SearchJob.beginning`.
"""

from dataclasses import replace

from tuner.datasets.images import ImageFormat
from tuner.jobs.hyperparameters.grid import check_grid
from tuner.jobs.hyperparameters.hp import declared_parameters
from tuner.jobs.hyperparameters.initial_trials import first_trials
from tuner.jobs.hyperparameters.prior_draws import check_priors, draw_priors
from tuner.spaces.space import Space
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.priors import takes_priors
from tuner.studies.slots.outcomes import SearchJob


def needs_values(job: SearchJob, definition: StudyDefinition, *, number: int) -> bool:
    """Say whether `find_values` finds anything for the trial of this number."""
    has_priors = any(one.prior is not None for one in definition.ranges.values())
    return job.beginning is not None or (has_priors and takes_priors(definition.search, number))


def find_values(
    job: SearchJob, definition: StudyDefinition, space: Space, images: ImageFormat, *, number: int
) -> SearchJob:
    """Return the job with the values that its trial begins with.

    Equal definitions give equal values on every worker.

    Args:
        job: The slot's.
        definition: The study's.
        space: The study's; it asks for what the regime draws too.
        images: The study's.
        number: The position of the slot.

    Raises:
        TunerError: The space does not build, or the definition does not fit it.
    """
    if not needs_values(job, definition, number=number):
        return job
    declared = declared_parameters(space, images, fixed=definition.fixed, ranges=definition.ranges)
    check_priors(declared, definition.ranges)
    values = dict(job.values)
    if job.beginning is not None:
        check_grid(definition.search, declared)
        trials = first_trials(definition.search, declared, fixed=definition.fixed)
        # Equal first trials count once, so that there may be fewer.
        values = dict(trials[job.beginning]) if job.beginning < len(trials) else {}
    if takes_priors(definition.search, number):
        drawn = draw_priors(definition.search, definition.ranges, declared, study_seed=definition.seed, number=number)
        values = {**drawn, **values}
    return replace(job, values=values, beginning=None)
