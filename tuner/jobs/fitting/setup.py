"""What the trainings of a study's search have in common, and those of its finals."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import keras_tuner

from tuner.datasets.images import ImageFormat
from tuner.epochs import Epoch
from tuner.jobs.fitting.regime import Regime, search_regime
from tuner.jobs.study.scoring import open_scoring
from tuner.jobs.study.space import open_study_space
from tuner.jobs.study.starting_weights import OpenedWeights, open_weights
from tuner.jobs.study.weights_file import WEIGHTS_SHA256
from tuner.objectives import Objective
from tuner.spaces.space import Space, read_batch_size
from tuner.studies.definitions.definition import StudyDefinition
from tuner.training.plan import TrainingPlan
from tuner.training.scoring import Scorings


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingSetup:
    """How models are built, what they start from, and how they are trained and scored, whatever the configuration."""

    #: Its `build` and `fit` are called.
    space: Space
    #: The study's, of several the one that leads.
    objective: Objective
    #: How scores are measured, see `tuner.jobs.study.scoring`; None: every epoch has the one that leads, and alone.
    scoring: Scorings | None = None
    #: What replaces augmentation, annealing and rules of training in a plan; None: nothing does.
    regime: Regime | None = None
    #: What the study lets its models start from, see `open_weights`.
    initial: OpenedWeights | None = None

    def settle(self, plan: TrainingPlan, hyperparameters: keras_tuner.HyperParameters) -> TrainingPlan:
        """Return the plan with the regime's tables, and with the batch size of the space if it asks for one.

        Raises:
            BatchSizeError: That is not a number of images.
        """
        asked = read_batch_size(hyperparameters.values, default=plan.batch_size)
        settled = plan if self.regime is None else self.regime.settle(plan, hyperparameters.values)
        return replace(settled, batch_size=asked)

    def utility(self, epoch: Epoch) -> float:
        """Return how good an epoch was: more is better."""
        return self.objective.utility(self.objective.of(epoch))


def open_search_setup(definition: StudyDefinition, provenance: Mapping[str, str], images: ImageFormat) -> TrainingSetup:
    """Return how the search's configurations are trained once they are drawn.

    Args:
        definition: The study's.
        provenance: The study's.
        images: The study's.

    Raises:
        TunerError: Its space or a function of the user's own cannot be imported, or its weights cannot be read.
    """
    return TrainingSetup(
        space=open_study_space(definition, provenance),
        objective=definition.objective,
        scoring=open_scoring(definition, provenance),
        regime=search_regime(definition),
        initial=open_weights(definition.search, images, sha256=provenance.get(WEIGHTS_SHA256)),
    )
