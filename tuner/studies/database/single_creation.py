"""An Optuna storage that creates each slot's trial only once, under the slot's number, and can fence writes.

Optuna 5.0 repeats a failed creation up to five times; after a COMMIT whose answer was lost, this created a second
trial. The class works with Optuna's own tables, as `optuna_tables` does.
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from contextvars import ContextVar

import optuna
import sqlalchemy as sa
from optuna.storages._rdb.models import TrialModel, TrialUserAttributeModel
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.orm import Session

#: Trial attribute that holds the slot's position, written in the transaction that creates the trial.
SLOT_ATTRIBUTE = "slot"

#: Called within a transaction; raises an error if its writes are not allowed.
Fence = Callable[[Session], None]

_fence: ContextVar[Fence | None] = ContextVar("fence", default=None)


@contextlib.contextmanager
def fenced(fence: Fence) -> Iterator[None]:
    """Call the fence in every transaction of this block and thread that writes to a trial, before it writes."""
    before = _fence.set(fence)
    try:
        yield
    finally:
        _fence.reset(before)


class SingleCreationStorage(optuna.storages.RDBStorage):
    """Looks for the slot's trial in the transaction that would create it, while the study is locked."""

    def check_trial_is_updatable(self, trial_id: int, trial_state: TrialState) -> None:
        """Refuse writes to a finished trial and writes that the fence forbids; Optuna calls this before each write.

        Raises:
            UpdateFinishedTrialError: The trial is finished.
        """
        super().check_trial_is_updatable(trial_id, trial_state)
        self._pass_fence()

    def _get_prepared_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None, session: Session
    ) -> TrialModel:
        slot = None if template_trial is None else template_trial.user_attrs.get(SLOT_ATTRIBUTE)
        if slot is None:
            return super()._get_prepared_new_trial(study_id, template_trial, session)
        self._pass_fence()
        of_slot = (
            session.query(TrialModel)
            .join(TrialUserAttributeModel)
            .filter(
                TrialModel.study_id == study_id,
                TrialUserAttributeModel.key == SLOT_ATTRIBUTE,
                TrialUserAttributeModel.value_json == json.dumps(slot),
            )
        )
        if (existing := of_slot.one_or_none()) is not None:
            return existing
        trial = super()._get_prepared_new_trial(study_id, template_trial, session)
        trial.number = _number_for(slot, trial, session)
        return trial

    def _pass_fence(self) -> None:
        fence = _fence.get()
        if fence is not None:
            # The session of this thread's transaction.
            fence(self.scoped_session())


def _number_for(slot: int, trial: TrialModel, session: Session) -> int:
    """Return the slot's position, so that equal seeds give equal numbers regardless of the number of workers.

    If a trial that a person added to Optuna's study already has that number, return the highest number plus one.
    """
    others = (TrialModel.study_id == trial.study_id, TrialModel.trial_id != trial.trial_id)
    is_taken = session.scalar(sa.select(TrialModel.trial_id).where(*others, TrialModel.number == slot).limit(1))
    if is_taken is None:
        return slot
    highest = session.scalar(sa.select(sa.func.max(TrialModel.number)).where(*others))
    return int(highest or 0) + 1
