"""Check a definition's space with its defaults before a study is stored; nothing is trained."""

from collections.abc import Mapping, Sequence

import keras

from tuner.datasets.images import LabelledImages
from tuner.errors import TunerError
from tuner.jobs.hyperparameters.hp import DeclaredParameter, OptunaHyperParameters
from tuner.jobs.preflight.memory_check import describe_short_memory
from tuner.jobs.preflight.model_check import check_model
from tuner.jobs.study.scoring import list_objectives
from tuner.spaces.space import Space
from tuner.studies.definitions.definition import StudyDefinition
from tuner.studies.sections.constraints import describe_violation
from tuner.training.costs import count_weights
from tuner.training.devices import translate_device_errors
from tuner.training.programs import find_refusal

#: Number of images that are shown to the model.
_N_EXAMPLES = 32


class PartsOfImagesError(TunerError):
    """Epochs of this space cannot show parts of the images."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"search.pruning.resource: received 'images', but {reason}. Expected 'epochs' for such a space: only "
            "whole-epoch programs show a part of the images."
        )


def check_space(
    space: Space,
    images: LabelledImages,
    declared: Sequence[DeclaredParameter],
    definition: StudyDefinition,
    *,
    sizes: Mapping[str, int],
) -> tuple[str, ...]:
    """Build the model with the space's defaults and the study's fixed values, and return warnings for people.

    Args:
        space: The definition's space.
        images: Images of the training part.
        declared: The hyperparameters that the space asks for.
        definition: The study's definition.
        sizes: How many images the study has, see `describe_short_memory`.

    Raises:
        TunerError: The model cannot be built, does not take the images, or does not measure accuracy.
    """
    hyperparameters = OptunaHyperParameters(None, fixed=definition.fixed, ranges=definition.ranges)
    with translate_device_errors():
        model = space.build(hyperparameters, images.image_format)
        facts = check_model(
            space,
            model,
            images.image_format,
            examples=images.images[:_N_EXAMPLES],
            labels=definition.data.labels,
            objectives=list_objectives(definition),
        )
    if definition.search.pruning.resource == "images":
        _refuse_parts(space, model)
    short_memory = describe_short_memory(space, model, shape=images.image_format.shape, **sizes)
    warnings = [*facts.warnings, *([short_memory] if short_memory else [])]
    known = count_weights(model)
    limits = [limit for limit in definition.constraints if limit.cost.name in known]
    if violated := describe_violation(limits, known):
        warnings.append(
            f"With the space's defaults the model has {violated}: such a trial ends before its first epoch."
        )
    if not declared and space.fit is None and definition.search.trials > 1:
        warnings.append(
            f"The space {space.name!r} asks for no hyperparameter: all {definition.search.trials} trials train the "
            "same model with different seeds. Ask for some, as in hp.Int('units', 32, 256), or set search.trials = 1."
        )
    return tuple(warnings)


def _refuse_parts(space: Space, model: keras.Model) -> None:
    reason = "the space has a fit of its own" if space.fit is not None else find_refusal(model)
    if reason is not None:
        raise PartsOfImagesError(reason)
