"""A call to a database that is away ends in tuner's own error, whichever call it is: also those that Optuna makes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import optuna
import pytest

from tuner.artifacts import ArtifactStore
from tuner.studies.database.errors import DatabaseAwayError
from tuner.studies.database.storage import Storage, open_storage
from tuner.studies.definitions.making import make_definition
from tuner.studies.fleet import read_fleet
from tuner.studies.garbage import find_foreign_folders, find_garbage
from tuner.studies.lifecycle import Study, insert_study, list_names, stop_study
from tuner.studies.records.reading import load_study, read_retrainings
from tuner.studies.slots.claims import claim_slot
from tuner.studies.slots.leases import Lease, renew_lease
from tuner.studies.stages import begin_next_stage, has_next_stage, has_scored_trial
from tuner.studies.trial_details import find_addressed, read_one_trial, read_study_head, summarize_trials
from tuner.studies.trials import open_trial


@dataclass(frozen=True, kw_only=True)
class Away:
    """A storage whose file cannot be reached, and what was in it."""

    storage: Storage
    artifacts: ArtifactStore
    study: Study
    lease: Lease


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Away]:
    folder = tmp_path_factory.mktemp("database")
    artifacts = ArtifactStore(str(tmp_path_factory.mktemp("artifacts")))
    with open_storage(f"sqlite:///{folder / 'tuner.db'}") as storage:
        definition = make_definition(space="mlp", dataset="digits", name="s", trials=2, epochs=2)
        study = insert_study(storage, definition, class_names=["0", "1"], provenance={"data_sha256": "0" * 64})
        lease = claim_slot(storage, owner="w")
        assert lease is not None
        folder.rename(folder.with_name("elsewhere"))
        yield Away(storage=storage, artifacts=artifacts, study=study, lease=lease)


CALLS: dict[str, Callable[[Away], object]] = {
    "ping": lambda away: away.storage.ping(),
    "list": lambda away: list_names(away.storage),
    "fleet": lambda away: read_fleet(away.storage),
    "load": lambda away: load_study(away.storage, "s"),
    "stop": lambda away: stop_study(away.storage, away.study, reason=None),
    "insert": lambda away: insert_study(
        away.storage,
        away.study.definition.model_copy(update={"name": "t"}),
        class_names=["0", "1"],
        provenance=away.study.provenance,
    ),
    "claim": lambda away: claim_slot(away.storage, owner="w"),
    "renew": lambda away: renew_lease(away.storage, away.lease, epoch=1),
    "open_trial": lambda away: open_trial(away.storage, away.study, away.lease),
    "has_scored_trial": lambda away: has_scored_trial(away.storage, away.study),
    "has_next_stage": lambda away: has_next_stage(away.storage, away.study, lambda *_, **__: None),
    "begin_next_stage": lambda away: begin_next_stage(away.storage, away.study, lambda *_, **__: None),
    "retrainings": lambda away: read_retrainings(away.storage, [1]),
    "garbage": lambda away: list(find_garbage(away.storage, away.artifacts)),
    "foreign_folders": lambda away: find_foreign_folders(away.storage, away.artifacts),
    "study_head": lambda away: read_study_head(away.storage, away.study.optuna_study_id),
    "trials_summary": lambda away: summarize_trials(away.storage, away.study.optuna_study_id),
    "one_trial": lambda away: read_one_trial(away.storage, away.study.optuna_study_id, 1),
    "addressed": lambda away: find_addressed(away.storage, away.study.optuna_study_id, 1),
    "optunas_new_trial": lambda away: away.storage.optuna.create_new_trial(away.study.optuna_study_id),
    "optunas_study": lambda away: optuna.load_study(study_name="s", storage=away.storage.optuna),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_database_that_is_away_is_one_error_with_advice(away: Away, call: Callable[[Away], object]) -> None:
    with pytest.raises(DatabaseAwayError) as error:
        call(away)

    assert str(error.value) == (
        "The database failed: unable to open database file. Nothing is lost: see that it is reachable and has room, "
        "then type the command again. `tuner doctor` tells more."
    )
