"""Build and train a configuration several times as one program: folds of a trial, or repeats with other seeds."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import keras_tuner

from tuner.datasets.images import LabelledImages
from tuner.jobs.fitting.costs import ConstraintViolatedError, CostUnknownError
from tuner.jobs.fitting.fit import Fitted, build_model, refuse_no_score, settle_plan, tell_once, to_fitted
from tuner.jobs.fitting.regime import Regime
from tuner.jobs.interruptions import LetGoError
from tuner.jobs.study.starting_weights import OpenedWeights, weights_for
from tuner.objectives import Objective
from tuner.spaces.space import Space
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.sections.search import AtOnce
from tuner.training.checkpoint import Checkpoint
from tuner.training.history import TrainingHistory
from tuner.training.plan import Part, TrainingData, TrainingPlan
from tuner.training.populations.train import (
    Member,
    UnlikeMembersError,
    are_alike,
    count_that_fit,
    find_reason_not_to_try,
    find_reason_to_train_alone,
    train_population,
)
from tuner.training.populations.widths import WidthChoice
from tuner.training.run import OnEpoch, OnNote
from tuner.training.scoring import Scoring
from tuner.training.session import release_memory

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class FitRequest:
    """One training of several; see `fitting.fit` for what its parts are."""

    hyperparameters: keras_tuner.HyperParameters
    data: TrainingData
    plan: TrainingPlan
    on_epoch: OnEpoch
    on_note: OnNote
    checkpoint: Checkpoint
    on_model: Callable[[keras.Model], None] = lambda _: None
    #: Its images among those that all are given; None: they are the same images for all.
    part: Part | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class FitTogether:
    """What several trainings have in common, see `fitting.fit`."""

    space: Space
    regime: Regime
    objective: Objective
    scoring: Scoring | None
    initial: OpenedWeights | None
    at_once: AtOnce

    def fit(
        self, requests: Sequence[FitRequest], *, images: LabelledImages | None = None, is_one_job: bool = False
    ) -> list[Fitted | Exception]:
        """Build the models and train them; each comes to what `fitting.fit` comes to.

        Args:
            requests: What differs between them.
            images: Of which each request has its part; None: all have the same data.
            is_one_job: As in `train_population`.

        Returns:
            For each request its result, or what ended it, such as a model beyond a limit of the study; `LetGoError` for
            one that must be trained alone, because of the values that it has drawn.

        Raises:
            UnlikeMembersError: Each must be trained alone; no epoch was trained.
            BuilderError: As in `fitting.fit`; so are the others.
        """
        members: dict[int, Member] = {}
        values: dict[str, Any] = {}
        found: dict[int, Fitted | Exception] = {}
        for index, request in enumerate(requests):
            try:
                member = self._build(request)
            except (ConstraintViolatedError, CostUnknownError) as error:
                if is_one_job:
                    raise
                found[index] = error
                continue
            if not members:
                self.refuse_alone(member.model, request.data, member.plan)
            elif request.hyperparameters.values != values and not are_alike(member, next(iter(members.values()))):
                found[index] = LetGoError()
                continue
            members[index], values = member, request.hyperparameters.values
        if members:
            trained = list(members.values())
            first = requests[0].data
            ends = train_population(
                trained, first if images is None else images, width=self._choose_width(trained), is_one_job=is_one_job
            )
            for (index, member), end in zip(members.items(), ends, strict=True):
                found[index] = self._conclude(member, requests[index], end)
        return [found[index] for index in range(len(requests))]

    def _build(self, request: FitRequest) -> Member:
        # As between two trials: layers have the same names in all of them.
        release_memory()
        model = build_model(
            self.space, request.hyperparameters, request.data, seed=request.plan.seed, checkpoint=request.checkpoint
        )
        request.on_model(model)
        return Member(
            model=model,
            plan=self.settle(request.plan, request.hyperparameters),
            on_epoch=request.on_epoch,
            on_note=tell_once(request.on_note),
            checkpoint=request.checkpoint,
            utility=lambda epoch: self.objective.utility(self.objective.of(epoch)),
            scoring=self.scoring,
            initial=weights_for(model, self.initial),
            part=request.part,
        )

    def settle(self, plan: TrainingPlan, hyperparameters: keras_tuner.HyperParameters) -> TrainingPlan:
        """Return how a configuration is trained, see `fitting.settle_plan`."""
        return settle_plan(plan, self.regime, hyperparameters)

    def refuse_alone(self, model: keras.Model, data: TrainingData, plan: TrainingPlan) -> None:
        """Raise `UnlikeMembersError` for a model with which no other can be trained."""
        reason = find_reason_to_train_alone(model, data, plan)
        if reason is not None:
            raise UnlikeMembersError(reason)

    def _choose_width(self, members: Sequence[Member]) -> WidthChoice:
        if self.at_once == "auto":
            return WidthChoice(most=min(len(members), count_that_fit(members[0].model)))
        return WidthChoice.fixed(min(len(members), self.at_once))

    def _conclude(self, member: Member, request: FitRequest, end: TrainingHistory | Exception) -> Fitted | Exception:
        if isinstance(end, Exception):
            return end
        try:
            refuse_no_score(request.data, end, self.objective)
        except Exception as error:  # noqa: BLE001 - told to the caller, beside what the others come to
            return error
        return to_fitted(member.model, end, member.plan, request.data, asked_data=request.data)


def find_reason_against(definition: StudyDefinition, open_space: Callable[[], Space], at_once: AtOnce) -> str | None:
    """Return why trainings of a study are not put together, before a model is built; None where they may be."""
    if at_once == 1:
        return "search.at_once is 1"
    if keras.backend.backend() != "jax":
        return f"Keras runs on {keras.backend.backend()}, and JAX alone can map a step over several models"
    if at_once == "auto" and (reason := find_reason_not_to_try()):
        return reason
    if definition.callbacks:
        return "callbacks watch each training, and may change its model"
    if open_space().fit is not None:
        return "the space has its own `fit`"
    return None
