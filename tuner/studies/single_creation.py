"""Optuna's tables, in which a trial that names its slot is created once, however often it is asked for.

Optuna 5.0 itself repeats a creation that failed, up to five times: a COMMIT whose answer was lost left a second trial.
"""

import json

import optuna
from optuna.storages._rdb.models import TrialModel, TrialUserAttributeModel
from optuna.trial import FrozenTrial
from sqlalchemy.orm import Session

#: Trial attribute that holds the slot's position, written in the transaction that creates the trial.
SLOT_ATTRIBUTE = "slot"


class SingleCreationStorage(optuna.storages.RDBStorage):
    """Looks for the slot's trial in the transaction that would create it, which has locked the study."""

    def _get_prepared_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None, session: Session
    ) -> TrialModel:
        slot = None if template_trial is None else template_trial.user_attrs.get(SLOT_ATTRIBUTE)
        if slot is not None:
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
        return super()._get_prepared_new_trial(study_id, template_trial, session)
