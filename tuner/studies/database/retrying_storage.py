"""Optuna's storage with its calls repeated during outages of the database, and the same for the holder of a lease.

Optuna calls it within `Study.tell`, `Trial.suggest_*`, samplers and its dashboard; there too a driver's error becomes
one of `errors`, as everywhere else.
"""

from collections.abc import Callable, Sequence
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from tuner.studies.database.outages import DatabaseConnection
from tuner.studies.database.single_creation import Fence, fenced


def _retrying(name: str) -> Any:
    def call(self: "RetryingStorage", *args: Any, **kwargs: Any) -> Any:
        method = getattr(self.inner, name)
        return self.database.retry(lambda: method(*args, **kwargs))

    call.__name__, call.__doc__ = name, getattr(BaseStorage, name).__doc__
    return call


class RetryingStorage(BaseStorage):
    """Repeats each call until the database answers.

    That is safe because calls set values that they are given, with two exceptions. A trial's final state may have been
    set by an attempt whose answer was lost. A new trial is created in one attempt; `tuner.studies.trials` repeats it,
    and first looks for a trial that names the slot.
    """

    def __init__(self, inner: BaseStorage, database: DatabaseConnection) -> None:
        #: May be replaced at any time by one with an empty cache.
        self.inner = inner
        self.database = database

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Create the trial, in one attempt.

        Raises:
            DatabaseAwayError: The database was away; the trial may have been created.
        """
        return self.database.once(lambda: self.inner.create_new_trial(study_id, template_trial))

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Set the state; that an attempt whose answer was lost has set it already is no error."""
        attempts = 0

        def set_state() -> bool:
            nonlocal attempts
            attempts += 1
            return self.inner.set_trial_state_values(trial_id, state, values)

        try:
            return self.database.retry(set_state)
        except UpdateFinishedTrialError:
            stored = self.get_trial(trial_id)
            if attempts > 1 and stored.state == state and (stored.values or []) == list(values or []):
                return True
            raise

    def remove_session(self) -> None:
        """Return this thread's connection to the pool."""
        self.inner.remove_session()

    create_new_study = _retrying("create_new_study")
    delete_study = _retrying("delete_study")
    get_all_studies = _retrying("get_all_studies")
    get_all_trials = _retrying("get_all_trials")
    get_best_trial = _retrying("get_best_trial")
    get_n_trials = _retrying("get_n_trials")
    get_study_directions = _retrying("get_study_directions")
    get_study_id_from_name = _retrying("get_study_id_from_name")
    get_study_name_from_id = _retrying("get_study_name_from_id")
    get_study_system_attrs = _retrying("get_study_system_attrs")
    get_study_user_attrs = _retrying("get_study_user_attrs")
    get_trial = _retrying("get_trial")
    get_trial_id_from_study_id_trial_number = _retrying("get_trial_id_from_study_id_trial_number")
    get_trial_number_from_id = _retrying("get_trial_number_from_id")
    get_trial_param = _retrying("get_trial_param")
    get_trial_params = _retrying("get_trial_params")
    get_trial_system_attrs = _retrying("get_trial_system_attrs")
    get_trial_user_attrs = _retrying("get_trial_user_attrs")
    set_study_system_attr = _retrying("set_study_system_attr")
    set_study_user_attr = _retrying("set_study_user_attr")
    set_trial_intermediate_value = _retrying("set_trial_intermediate_value")
    set_trial_param = _retrying("set_trial_param")
    set_trial_system_attr = _retrying("set_trial_system_attr")
    set_trial_user_attr = _retrying("set_trial_user_attr")


def _fenced(name: str) -> Any:
    def call(self: "FencedStorage", *args: Any, **kwargs: Any) -> Any:
        method = getattr(super(FencedStorage, self), name)
        try:
            with fenced(self.fence):
                return method(*args, **kwargs)
        except (KeyError, UpdateFinishedTrialError):
            # The next holder may have ended the trial, or its study may have been deleted.
            self.check_holder()
            raise

    call.__name__, call.__doc__ = name, getattr(BaseStorage, name).__doc__
    return call


class FencedStorage(RetryingStorage):
    """The storage for the trial of one slot: each write checks, within its transaction, that the lease is still held.

    A call that finds no study or no trial any more reports the lost lease instead.

    Args:
        storage: Carries out the calls.
        fence: Called within a transaction; raises when the lease is lost.
        check_holder: Called outside of one; raises when the lease is lost.
    """

    def __init__(self, storage: RetryingStorage, *, fence: Fence, check_holder: Callable[[], None]) -> None:
        super().__init__(storage.inner, storage.database)
        self.fence = fence
        self.check_holder = check_holder

    create_new_trial = _fenced("create_new_trial")
    get_all_trials = _fenced("get_all_trials")
    get_best_trial = _fenced("get_best_trial")
    get_n_trials = _fenced("get_n_trials")
    get_study_directions = _fenced("get_study_directions")
    get_study_id_from_name = _fenced("get_study_id_from_name")
    get_study_name_from_id = _fenced("get_study_name_from_id")
    get_study_system_attrs = _fenced("get_study_system_attrs")
    get_study_user_attrs = _fenced("get_study_user_attrs")
    get_trial = _fenced("get_trial")
    get_trial_id_from_study_id_trial_number = _fenced("get_trial_id_from_study_id_trial_number")
    get_trial_number_from_id = _fenced("get_trial_number_from_id")
    get_trial_param = _fenced("get_trial_param")
    get_trial_params = _fenced("get_trial_params")
    get_trial_system_attrs = _fenced("get_trial_system_attrs")
    get_trial_user_attrs = _fenced("get_trial_user_attrs")
    set_trial_intermediate_value = _fenced("set_trial_intermediate_value")
    set_trial_param = _fenced("set_trial_param")
    set_trial_state_values = _fenced("set_trial_state_values")
    set_trial_system_attr = _fenced("set_trial_system_attr")
    set_trial_user_attr = _fenced("set_trial_user_attr")
