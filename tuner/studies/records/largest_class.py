"""Whether a study's models answer better than somebody who always says the largest class."""

from tuner.objectives import write_percent
from tuner.studies.records.study import StudyRecord


def beaten_by_largest_class(record: StudyRecord) -> str | None:
    """Return a sentence where always answering the largest class is right more often; None where models are better.

    The winner's test accuracy is compared with the class's share of all images of the training part, or before the
    finals the best validation accuracy of the search with its share of the validation images: of few images these
    shares differ by several points.

    Args:
        record: A study; of older ones it is not stored how many images a class has.
    """
    pixels = record.pixels or {}
    counts = pixels.get("validation_counts") or ()
    winner, best = record.winner, record.best
    if winner is not None and winner.test_accuracy_mean is not None:
        accuracy, whose = winner.test_accuracy_mean, "the winner's test accuracy"
        counts = pixels.get("class_counts") or counts
    elif best is not None and best.score is not None and record.objective.is_accuracy:
        accuracy, whose = best.score, "the best validation accuracy"
    else:
        return None
    if not sum(counts):
        return None
    largest = max(range(len(counts)), key=counts.__getitem__)
    share = counts[largest] / sum(counts)
    if accuracy >= share:
        return None
    return (
        f"Always answering the largest class, {record.class_names[largest]!r}, is right for {write_percent(share)} of "
        f"the images, more often than the models: {whose} is {write_percent(accuracy)}."
    )
