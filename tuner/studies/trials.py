"""The trial in Optuna of a search slot: created once, found again after a crash, closed with the slot's outcome."""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence

import optuna
import sqlalchemy as sa
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from tuner.epochs import Epoch
from tuner.objectives import COSTS
from tuner.studies.database.optuna_tables import TRIALS, USER_ATTRIBUTES, close_in_optuna, set_user_attributes
from tuner.studies.database.outages import retried
from tuner.studies.database.retrying_storage import FencedStorage
from tuner.studies.database.schema import slots, studies
from tuner.studies.database.single_creation import SLOT_ATTRIBUTE
from tuner.studies.database.storage import Storage
from tuner.studies.lifecycle import Study
from tuner.studies.pruners import DecidedTrial, make_pruner
from tuner.studies.samplers import make_sampler
from tuner.studies.slots.leases import Lease, LeaseLostError, bind_trial, check_lease, fence_of, hold_slot
from tuner.studies.slots.outcomes import (
    Costs,
    Failure,
    Outcome,
    SearchJob,
    SearchOutcome,
    failed_outcome,
    values_beside,
)
from tuner.studies.slots.scores import read_peers
from tuner.studies.slots.stored_outcomes import read_outcome

_log = logging.getLogger(__name__)

_ORPHANED = Failure(kind="orphaned", message="It ran without a slot: no worker trained it.")
_ORPHANS = (
    sa.select(TRIALS.c.trial_id, TRIALS.c.number, studies.c.name)
    .join(studies, studies.c.optuna_study_id == TRIALS.c.study_id)
    .where(
        TRIALS.c.state == TrialState.RUNNING,
        ~sa.exists().where(slots.c.study_id == studies.c.id, slots.c.trial_id == TRIALS.c.trial_id),
        # A trial names its slot before the slot knows it.
        ~sa.exists().where(
            slots.c.study_id == studies.c.id,
            slots.c.stage == "search",
            slots.c.trial_id.is_(None),
            USER_ATTRIBUTES.c.trial_id == TRIALS.c.trial_id,
            USER_ATTRIBUTES.c.key == SLOT_ATTRIBUTE,
            USER_ATTRIBUTES.c.value_json == sa.cast(slots.c.position, sa.String),
        ),
    )
)
_STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


class PrunedError(Exception):
    """The pruner ended the trial."""


class TrialScores:
    """The scores of one running trial, and the decision on each of its epochs. Epochs count from 1.

    In a study with folds, what stands here for an epoch is a fold, and the trial's score after it is the mean over the
    folds so far: the scores of epochs are not stored and not compared.
    """

    def __init__(
        self, storage: Storage, study: Study, *, trial_id: int, trial_number: int, stored: Mapping[int, float]
    ) -> None:
        self.trial_id = trial_id
        self._storage, self._study = storage, study
        self._scores = dict(stored)
        #: An earlier worker has decided on the epochs before this one.
        self._first_undecided = max(stored, default=1)
        self._objective = study.definition.objective
        self._n_steps = study.definition.n_steps
        self.has_folds = bool(study.definition.data.folds)
        decided = DecidedTrial(study_name=study.name, trial_number=trial_number, n_steps=self._n_steps)
        self._pruner = make_pruner(study.definition.search, self._objective, decided)

    @property
    def last_stored(self) -> int:
        """The last epoch that an earlier worker stored; 1 where there is none."""
        return self._first_undecided

    def read(self, results: Iterable[Epoch]) -> dict[int, float]:
        """Return the scores of those of these epochs that have one."""
        scores = {result.epoch: self._objective.of(result) for result in results}
        return {epoch: score for epoch, score in scores.items() if score is not None}

    def decides_after(self, epoch: int) -> bool:
        """Say whether the trial may be pruned after this epoch."""
        is_open = self._first_undecided <= epoch < self._n_steps
        return is_open and self._pruner.decides_after(epoch)

    def unstored(self, scores: Mapping[int, float]) -> dict[int, float]:
        """Return the scores among these that are not stored yet."""
        return {epoch: score for epoch, score in scores.items() if self._scores.get(epoch) != score}

    def replaces(self, scores: Mapping[int, float]) -> bool:
        """Say whether scores are stored for any of these epochs: then the trial has begun again."""
        return any(epoch in self._scores for epoch in scores)

    def remember(self, stored: Mapping[int, float]) -> None:
        """Count these scores as stored."""
        if self.replaces(stored):
            self._scores = {epoch: score for epoch, score in self._scores.items() if epoch < min(stored)}
        self._scores |= stored

    def should_prune(self, epoch: int) -> bool:
        """Decide on an epoch whose score is stored, by the scores of all other trials after the same epoch.

        A mean over the first folds may exceed a later one because these folds are easy, and says nothing by itself.
        """
        if not math.isfinite(self._scores[epoch]):
            return True
        peers = read_peers(self._storage, self._study.optuna_study_id, trial_id=self.trial_id, epoch=epoch)
        counted = [epoch] if self.has_folds else [earlier for earlier in sorted(self._scores) if earlier <= epoch]
        own = [self._scores[one] for one in counted]
        return self._pruner.prunes(own, peers)


def open_trial(storage: Storage, study: Study, lease: Lease) -> tuple[optuna.Trial, TrialScores]:
    """Return the slot's trial in Optuna, created at the first claim, and its scores.

    `Study.ask` is not used: a worker that died after it, and before it stored the trial's number, would leave a trial
    without a slot. Here the transaction that creates the trial also stores its slot in it.

    Raises:
        LeaseLostError: Another worker has the slot.
    """
    fenced = _fence(storage, lease)
    trial_id = lease.trial_id
    if trial_id is None:
        trial_id = _find_running(fenced, study, lease) if lease.token > 1 else None
        if trial_id is None:
            trial_id = _create(fenced, study, lease)
        number, stored = _read_number(storage, lease, trial_id), {}
        if lease.token > 1:
            stored = fenced.get_trial(trial_id).intermediate_values
        bind_trial(storage, lease, trial_id=trial_id, trial_number=number)
    else:
        # Optuna's cache takes hyperparameters only for trials that this process has created or read in a list.
        fenced.get_all_trials(study.optuna_study_id, deepcopy=False, states=(TrialState.RUNNING,))
        frozen = fenced.get_trial(trial_id)
        number, stored = frozen.number, frozen.intermediate_values
    trial = optuna.Trial(_open_optuna_study(fenced, study, lease), trial_id)
    scores = TrialScores(storage, study, trial_id=trial_id, trial_number=number, stored=stored)
    return trial, scores


def _fence(storage: Storage, lease: Lease) -> FencedStorage:
    """Return Optuna's storage for the holder of the lease."""
    return FencedStorage(storage.optuna, fence=fence_of(lease), check_holder=lambda: check_lease(storage, lease))


def _open_optuna_study(storage: FencedStorage, study: Study, lease: Lease) -> optuna.Study:
    """Return Optuna's study with the sampler for one trial.

    The sampler's seed follows from the study's seed and the slot's position, so that every worker draws the same values
    after the same history.
    """
    search = study.definition.search
    return optuna.load_study(
        study_name=study.name,
        storage=storage,
        sampler=make_sampler(search, study_seed=study.definition.seed, trial_number=lease.position),
        # `TrialScores` decides; by default Optuna would use the median pruner.
        pruner=optuna.pruners.NopPruner(),
    )


@retried
def close_ended_trials(storage: Storage) -> int:
    """Close in Optuna every trial whose slot has an outcome, and return their number.

    It looks at the state, not at events: any worker that finds an ended slot completes what a dead worker left.
    """
    with storage.reader.connect() as connection:
        ended = list(connection.scalars(sa.select(slots.c.id).where(slots.c.state == "ended")))
    for slot_id in ended:
        with storage.engine.begin() as connection:
            objectives = studies.c.definition[("search", "objectives")].as_json().label("objectives")
            leading = studies.c.definition[("search", "objective")].as_string().label("leading")
            mine = sa.select(slots.c.trial_id, slots.c.stage, slots.c.outcome, objectives, leading)
            mine = mine.join(studies).where(slots.c.id == slot_id, slots.c.state == "ended")
            row = connection.execute(mine.with_for_update(key_share=True, of=slots)).one_or_none()
            if row is None:
                # Another worker has closed it, or its study is gone.
                continue
            # A slot whose workers all died before they opened its trial has none.
            if row.trial_id is not None:
                outcome = read_outcome(row.stage, row.outcome)
                others = [name for name in row.objectives or () if name != row.leading]
                _close(connection, row.trial_id, outcome, others=others)
            connection.execute(sa.update(slots).where(slots.c.id == slot_id).values(state="done"))
    return len(ended)


@retried
def end_orphans(storage: Storage) -> int:
    """End every trial of our studies that runs in Optuna and belongs to no slot, and return their number.

    A person's call of `study.ask()` leaves such trials, and so does a backup that was restored in parts. Samplers avoid
    the values of trials that seem to run.
    """
    with storage.reader.connect() as connection:
        orphans = connection.execute(_ORPHANS).all()
    for orphan in orphans:
        with storage.engine.begin() as connection:
            # A trial of another study may have its id meanwhile.
            if connection.execute(_ORPHANS.where(TRIALS.c.trial_id == orphan.trial_id)).one_or_none() is None:
                continue
            _log.warning("Trial %d of study %r belongs to no slot; it was ended as failed.", orphan.number, orphan.name)
            _close(connection, orphan.trial_id, failed_outcome("search", _ORPHANED))
    return len(orphans)


def _close(connection: sa.Connection, trial_id: int, outcome: Outcome, *, others: Sequence[str] = ()) -> None:
    """Store the trial's final state and values; a trial that is closed already is not changed.

    Args:
        connection: In a transaction.
        trial_id: Optuna's.
        outcome: Of the trial's slot.
        others: The names of the objectives and costs beside the one that leads, in their order.
    """
    failure = outcome.failure
    values = _values(outcome, others) if isinstance(outcome, SearchOutcome) else []
    state = _STATES[outcome.state]
    if others and values and state == TrialState.PRUNED:
        # Ended by its time. Of several objectives Optuna knows no pruned trial: its TPE raises at one (5.0).
        state = TrialState.COMPLETE
    close_in_optuna(
        connection,
        trial_id,
        state,
        values=values,
        failure=f"{failure.kind}: {failure.message}" if failure else None,
    )


def _values(outcome: SearchOutcome, others: Sequence[str]) -> list[float]:
    """Return the trial's values in their order; none unless it has all of them."""
    beside = values_beside(outcome)
    values = [outcome.score, *(beside.get(name) for name in others)]
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else []


@retried
def store_costs(storage: Storage, lease: Lease, trial_id: int, costs: Costs) -> None:
    """Store what the trial's model needs as attributes of the trial, where its next worker finds them.

    Raises:
        LeaseLostError: Another worker has the slot.
    """
    with storage.engine.begin() as connection:
        hold_slot(connection, lease)
        set_user_attributes(connection, trial_id, costs)


def read_costs(trial: optuna.Trial) -> dict[str, float]:
    """Return what an earlier worker has stored of the trial's model; empty before that."""
    return {name: trial.user_attrs[name] for name in COSTS if name in trial.user_attrs}


def mark_infeasible(storage: Storage, study: Study, lease: Lease, constraint: str) -> None:
    """Tell samplers that the values of the slot's trial, if it has one, violate this constraint."""
    if lease.trial_id is None or lease.trial_number is None:
        return
    optuna_study = _open_optuna_study(_fence(storage, lease), study, lease)
    optuna.Trial(optuna_study, lease.trial_id).set_constraint(constraint, 1.0)


def _create(storage: FencedStorage, study: Study, lease: Lease) -> int:
    attempts = 0

    def create() -> int:
        nonlocal attempts
        attempts += 1
        # An earlier attempt whose answer was lost may have created the trial.
        found = _find_running(storage, study, lease) if attempts > 1 else None
        if found is not None:
            return found
        values = lease.job.values if isinstance(lease.job, SearchJob) else {}
        template = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            user_attrs={SLOT_ATTRIBUTE: lease.position},
            # As `Study.enqueue_trial` does: these values are taken instead of drawn ones.
            system_attrs={"fixed_params": dict(values)} if values else {},
        )
        trial_id: int = storage.create_new_trial(study.optuna_study_id, template)
        return trial_id

    return storage.database.retry(create)


def _read_number(storage: Storage, lease: Lease, trial_id: int) -> int:
    @retried
    def read(storage: Storage) -> int | None:
        with storage.reader.connect() as connection:
            number: int | None = connection.scalar(sa.select(TRIALS.c.number).where(TRIALS.c.trial_id == trial_id))
        return number

    number = read(storage)
    if number is None:
        raise LeaseLostError(f"Study {lease.study_name!r} was deleted.")
    return number


def _find_running(storage: BaseStorage, study: Study, lease: Lease) -> int | None:
    running = storage.get_all_trials(study.optuna_study_id, deepcopy=False, states=(TrialState.RUNNING,))
    for trial in running:
        if trial.user_attrs.get(SLOT_ATTRIBUTE) == lease.position:
            return trial._trial_id  # noqa: SLF001 - Optuna has no public way from a frozen trial to its id
    return None
