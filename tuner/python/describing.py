"""Studies as a notebook and an interactive prompt show them."""

from tuner.python.builders import tell_cells
from tuner.report.wording import (
    STATE_WORDS,
    count,
    describe_front,
    percent,
    plain,
    score_spread,
    settings,
    tested_accuracy,
)
from tuner.studies.progress import StudyProgress
from tuner.studies.records.study import StudyRecord
from tuner.summaries import summary_html

_ENDED = frozenset({"complete", "pruned", "failed"})


def study_line(now: StudyProgress) -> str:
    """Return the name, the state and the number of trials, in one line."""
    return f"{now.name!r}, {STATE_WORDS[now.state]}, {now.finished} of {now.budget} trials"


def study_html(record: StudyRecord) -> str:
    """Return a small table of what the study has found so far, as HTML."""
    n_ended = sum(trial.state in _ENDED for trial in record.trials)
    rows: dict[str, object] = {
        "space": record.space.rpartition("/")[2],
        "dataset": record.dataset.rpartition("/")[2],
        "state": tell_cells(record.stop_reason, record.space) if record.stop_reason else STATE_WORDS[record.state],
        "trials": f"{n_ended} of {record.budget}",
    }
    if best := record.best:
        score = score_spread(best.score, best.score_sd, record.objective)
        rows["best of the search"] = plain(f"trial {best.number}, {record.objective.label} {score}")
    if front := describe_front(record):
        rows["front"] = plain(front)
    if winner := record.winner:
        rows["winner"] = plain(f"trial {winner.trial}, test accuracy {tested_accuracy(winner)}")
    if record.ensemble:
        rows["ensemble"] = plain(
            f"{count(record.ensemble.members, 'model')}, test accuracy {percent(record.ensemble.test_accuracy)}"
        )
    if told := winner or best:
        rows["hyperparameters"] = settings(told.hyperparameters)
    if record.failures:
        part, failure = record.failures[-1]
        rows["failed"] = f"{len(record.failures)}, the last: {part}: {tell_cells(failure.message, record.space)}"
    return summary_html(f"Study {record.name}", rows)
