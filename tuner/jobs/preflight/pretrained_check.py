"""What is known before any training to go wrong in a study of the family of pretrained nets."""

from collections.abc import Sequence

from tuner.errors import TunerError
from tuner.image_ranges import UNIT_RANGE
from tuner.jobs.study.starting_weights import MissingWeightsError
from tuner.spaces.applications import find_application
from tuner.spaces.pretrained import PRETRAINED, SMALL, SMALL_APPLICATIONS
from tuner.spaces.registry import PRETRAINED_FAMILY
from tuner.studies.definitions.definition import StudyDefinition


class SeveralApplicationsError(TunerError):
    """A study draws the net, and names one file of weights."""

    def __init__(self, place: str, names: Sequence[str]) -> None:
        super().__init__(
            f"search.weights_from names one file, {place}, and the study searches several nets: {', '.join(names)}. "
            "Expected one net, as in --set fixed.application=MobileNetV2; without weights_from each takes its own file "
            "in Keras' cache folder."
        )


class ImagesScaledError(TunerError):
    """The family is to be given images that it does not take."""

    def __init__(self, received: str) -> None:
        super().__init__(
            f"data.images: received {received!r}, expected {UNIT_RANGE!r}: the space {PRETRAINED_FAMILY!r} scales "
            "images itself, as each of its nets wants them."
        )


def check_pretrained(definition: StudyDefinition) -> None:
    """Check, for a study of the family of pretrained nets, that this machine has the weights of each that may be drawn.

    Raises:
        ImagesScaledError: The study's models are to be given images from 0 to 255.
        MissingWeightsError: It lacks some.
        SeveralApplicationsError: One file is named for several nets.
        ApplicationError: A net that may be drawn does not exist.
    """
    if definition.space != PRETRAINED_FAMILY:
        return
    if definition.data.images != UNIT_RANGE:
        raise ImagesScaledError(definition.data.images)
    if PRETRAINED not in _possible(definition, "weights", (PRETRAINED,)):
        return
    names = list(_possible(definition, "application", (SMALL,)))
    if SMALL in names:
        names.remove(SMALL)
        names += _possible(definition, "small_application", SMALL_APPLICATIONS)
    place = definition.search.weights_from
    if place is not None:
        if len(names) > 1 and place.endswith(".h5"):
            raise SeveralApplicationsError(place, names)
        return
    missing = [one for one in map(find_application, dict.fromkeys(names)) if not one.weights_file.is_file()]
    if missing:
        raise MissingWeightsError(missing)


def _possible(definition: StudyDefinition, name: str, declared: Sequence[str]) -> Sequence[str]:
    """Return the texts that a hyperparameter may have in a study."""
    if name in definition.fixed:
        return [str(definition.fixed[name])]
    wanted = definition.ranges.get(name)
    if wanted is not None and wanted.values is not None:
        return [str(value) for value in wanted.values]
    # A default of a value that is not searched is its value.
    is_searched = len(declared) > 1
    return declared if wanted is None or wanted.default is None or is_searched else [str(wanted.default)]
