"""An ensemble of the retrained models of several studies: chosen by validation, tested once, stored as one file.

What its members answered on the test set is stored already, so that no model is built and no test image read. Equal
members are one ensemble: a second request for it returns what was measured.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuner.artifacts import ENSEMBLES_FOLDER, ArtifactStore
from tuner.bundles.ensemble import (
    MAX_MEMBERS,
    EnsembleDescription,
    EnsembleMember,
    list_ensembles,
    soft_vote,
    store_ensemble,
)
from tuner.bundles.predictions import Predictions, read_predictions
from tuner.errors import TunerError, shorten
from tuner.jobs.finals.members import choose_members
from tuner.studies.records.finals import FinalRecord, RetrainRecord
from tuner.studies.records.study import StudyRecord


class EnsembleError(TunerError):
    """These models cannot vote together."""


@dataclass(frozen=True, kw_only=True)
class StoredEnsemble:
    """An ensemble and where it lies."""

    description: EnsembleDescription
    #: False where an earlier request had made it.
    is_new: bool


def build_ensemble(records: Sequence[StudyRecord], artifacts: ArtifactStore, *, members: int | None) -> StoredEnsemble:
    """Choose the models, average their stored answers on the test set, and store the ensemble.

    Args:
        records: Two studies or more, or one.
        artifacts: Where their bundles and predictions lie, and where the ensemble is written.
        members: How many models vote, the best by validation; None: all that validation does not show to be far
            worse than the best, as in a study's own ensemble.

    Raises:
        EnsembleError: The studies have other classes or other test images, too few tested models, or one has none.
        TunerError: A bundle or predictions cannot be read.
    """
    _refuse_other_classes(records)
    candidates = [candidate for record in records for candidate in _tested_models(record)]
    chosen = _choose(candidates, members)
    name = hashlib.sha256(json.dumps(sorted(one.member.bundle for one in chosen)).encode()).hexdigest()[:12]
    path = f"{ENSEMBLES_FOLDER}/{name}.bundle"
    made = next((one for one in list_ensembles(artifacts) if one.bundle == path), None)
    if made is not None:
        return StoredEnsemble(description=made, is_new=False)
    answers = [read_predictions(artifacts, one.predictions) for one in chosen]
    _refuse_other_test_images(chosen, answers)
    bundles = [artifacts.read(one.member.bundle) for one in chosen]
    vote = soft_vote([answer.probabilities for answer in answers])
    labels = answers[0].labels
    description = EnsembleDescription(
        class_names=records[0].class_names,
        members=tuple(one.member for one in chosen),
        n_test=len(labels),
        test_accuracy=float((vote.argmax(axis=1) == labels).mean()),
        bundle=path,
    )
    store_ensemble(artifacts, description, bundles)
    return StoredEnsemble(description=description, is_new=True)


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    """A tested model, and where its answers on the test set are stored."""

    member: EnsembleMember
    predictions: str


def _tested_models(record: StudyRecord) -> list[_Candidate]:
    tested = [
        candidate
        for final in record.finals
        for run in final.runs
        if (candidate := _candidate(record, final, run)) is not None
    ]
    if not tested:
        raise EnsembleError(
            f"Study {record.name!r} has no tested model. Make its finals: `tuner finals {record.name} --until-done`."
        )
    return tested


def _candidate(record: StudyRecord, final: FinalRecord, run: RetrainRecord) -> _Candidate | None:
    if run.bundle is None or run.predictions is None or run.test_accuracy is None:
        return None
    confirmed = final.mean_score if record.objective.is_accuracy else None
    member = EnsembleMember(
        study=record.name,
        bundle=run.bundle,
        trial=final.trial,
        seed=run.seed,
        known_accuracy=confirmed if run.val_accuracy is None else run.val_accuracy,
        test_accuracy=run.test_accuracy,
    )
    return _Candidate(member=member, predictions=run.predictions)


def _choose(candidates: Sequence[_Candidate], members: int | None) -> list[_Candidate]:
    """Return those that vote, chosen without the test set; of equals the earlier."""
    if members is None:
        chosen = [candidates[index] for index in choose_members([one.member.known_accuracy for one in candidates])]
    elif members > len(candidates):
        raise EnsembleError(
            f"Received {members} members, but these studies have {len(candidates)} tested models. Expected fewer, or "
            "more finals: `tuner finals NAME --top N --until-done`."
        )
    else:
        chosen = sorted(
            candidates, key=lambda one: -1.0 if one.member.known_accuracy is None else -one.member.known_accuracy
        )
        chosen = chosen[:members]
    if not 1 < len(chosen) <= MAX_MEMBERS:
        raise EnsembleError(
            f"{len(chosen)} model{'' if len(chosen) == 1 else 's'} would vote, of {len(candidates)} that are tested; "
            f"validation shows the others far worse. Expected 2 to {MAX_MEMBERS}: name more studies, or a number with "
            "--members."
        )
    return chosen


def _refuse_other_classes(records: Sequence[StudyRecord]) -> None:
    first = records[0]
    for record in records[1:]:
        if record.class_names != first.class_names:
            raise EnsembleError(
                f"Study {record.name!r} has the classes {_listing(record.class_names)}, and {first.name!r} has "
                f"{_listing(first.class_names)}. Expected studies of the same classes in the same order."
            )


def _listing(names: Sequence[str]) -> str:
    return shorten(", ".join(names), width=200)


def _refuse_other_test_images(chosen: Sequence[_Candidate], answers: Sequence[Predictions]) -> None:
    for one, answer in zip(chosen, answers, strict=True):
        if not np.array_equal(answer.labels, answers[0].labels):
            raise EnsembleError(
                f"Study {one.member.study!r} was tested on other images than {chosen[0].member.study!r}. Expected "
                "studies that share a test set."
            )
