"""The files of finals that leave their study: the bundle of a retrained model, and that of the ensemble."""

from collections.abc import Sequence

from tuner.artifacts import ArtifactNotFoundError
from tuner.bundles.bundle import BundleDescription, HowTrained, Provenance, parse_manifest, preprocessing_for
from tuner.bundles.ensemble import EnsembleDescription, EnsembleMember, pack_ensemble
from tuner.bundles.model import write_bundle
from tuner.bundles.predictions import Predictions
from tuner.datasets.pixels.meaning import PixelMeaning
from tuner.jobs.context import JobContext
from tuner.jobs.fitting.fit import Fitted
from tuner.spaces.space import Space
from tuner.studies.ranking import read_rank
from tuner.studies.records.study import MEASURED_TIME
from tuner.studies.slots.outcomes import RetrainJob, RetrainOutcome

#: Members of an ensemble's file together: it is made in memory, twice.
_MOST_BYTES = 2**30


def final_path(context: JobContext) -> str:
    """Return the path of a retraining's files in the artifact store, without a suffix."""
    job = context.job_as(RetrainJob)
    suffix = "" if job.augmented else "-without-augmentation"
    return f"{context.study.folder}/finals/trial-{job.trial}-repeat-{job.repeat + 1}{suffix}"


def ensemble_path(context: JobContext, *, n_members: int) -> str:
    """Return the path of the ensemble's files in the artifact store, without a suffix."""
    # With the slot's position, because a later ensemble may have the same number of other members.
    return f"{context.study.folder}/finals/ensemble-of-{n_members}-slot-{context.lease.position}"


def store_bundle(
    context: JobContext, space: Space, fitted: Fitted, tested: Predictions, *, notes: Sequence[str]
) -> str:
    """Write the bundle of a retrained model and return its path in the artifact store.

    Args:
        context: Of the retraining.
        space: That has built the model.
        fitted: The model, and how it was trained.
        tested: What it answered on the test set.
        notes: What a person should know of how it was trained, in sentences.
    """
    job = context.job_as(RetrainJob)
    # The time that the study would take where it was created is nothing of the model.
    provenance = {key: value for key, value in context.study.provenance.items() if key != MEASURED_TIME}
    path = f"{final_path(context)}.bundle"
    description = BundleDescription(
        space=context.study.definition.space,
        hyperparameters=job.hyperparameters,
        images=fitted.data.train.image_format,
        pixels=PixelMeaning.from_json(context.study.pixels) if context.study.pixels else None,
        image_range=context.study.definition.data.images,
        preprocessing=preprocessing_for(context.study.definition.data.images, context.study.definition.data.resize_how),
        provenance=Provenance(
            study=context.study.name,
            trial=job.trial,
            rank=read_rank(context.storage, context.study, trial=job.trial),
            seed=job.seed,
            test_accuracy=tested.accuracy,
            data_sha256=provenance.pop("data_sha256"),
            versions=provenance,
        ),
        training=_how_trained(
            context, fitted, n_test=len(tested.labels), has_own_fit=space.fit is not None, notes=notes
        ),
    )
    write_bundle(context.artifacts, path, fitted.model, description, sources=space.sources)
    return path


def _how_trained(
    context: JobContext, fitted: Fitted, *, n_test: int, has_own_fit: bool, notes: Sequence[str]
) -> HowTrained:
    definition, plan = context.study.definition, fitted.plan
    return HowTrained(
        dataset=definition.dataset,
        train_on=definition.finals.train_on if fitted.data.validation is None else "train",
        n_train=len(fitted.data.train),
        n_test=n_test,
        score_name=definition.objective.label,
        score=context.job_as(RetrainJob).val_accuracy_mean,
        epochs=plan.epochs,
        kept_epoch=fitted.kept.epoch,
        batch_size=plan.batch_size,
        augmentation=plan.augmentation.model_dump(mode="json") if plan.augmentation and fitted.augmented else None,
        annealing=None if plan.annealing is None else plan.annealing.model_dump(mode="json"),
        training=plan.training.model_dump(mode="json"),
        starts_from=definition.finals.weights_from,
        has_own_fit=has_own_fit,
        notes=tuple(notes),
    )


def store_ensemble_bundle(
    context: JobContext, outcomes: Sequence[RetrainOutcome], voted: Predictions
) -> tuple[str | None, str | None]:
    """Write the ensemble as one file with the bundles of its members.

    Args:
        context: Of the ensemble.
        outcomes: Of its members.
        voted: What they answered on the test set together.

    Returns:
        Its path in the artifact store, or None and a sentence that says why there is no file.
    """
    bundles: list[bytes] = []
    members: list[EnsembleMember] = []
    for outcome in outcomes:
        if outcome.bundle is None or outcome.test_accuracy is None:
            return None, None
        try:
            bundles.append(context.artifacts.read(outcome.bundle))
        except ArtifactNotFoundError as error:
            return None, f"It has no file of its own, because a member's is missing: {error}"
        provenance = parse_manifest(bundles[-1], origin=outcome.bundle).description.provenance
        members.append(
            EnsembleMember(
                study=provenance.study,
                bundle=outcome.bundle,
                trial=provenance.trial,
                seed=provenance.seed,
                known_accuracy=outcome.val_accuracy,
                test_accuracy=outcome.test_accuracy,
            )
        )
        if sum(map(len, bundles)) > _MOST_BYTES:
            return None, (
                f"Its {len(outcomes)} models are too large for one file. Make it where there is more memory: "
                f"`tuner ensemble {context.study.name}`."
            )
    if len(members) < 2:  # noqa: PLR2004 - one model is no ensemble
        return None, None
    path = f"{ensemble_path(context, n_members=len(members))}.bundle"
    description = EnsembleDescription(
        class_names=context.study.class_names,
        members=tuple(members),
        n_test=len(voted.labels),
        test_accuracy=voted.accuracy,
        bundle=path,
    )
    context.artifacts.write(path, pack_ensemble(description, bundles))
    return path, None
