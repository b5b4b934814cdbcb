"""What a study cannot give yet, told with what to type."""

from collections.abc import Sequence

from tuner.errors import TunerError, did_you_mean
from tuner.report.wording import STATE_WORDS
from tuner.studies.records.study import StudyRecord


class NoModelYetError(TunerError):
    """The study has no retrained and tested model."""

    def __init__(self, record: StudyRecord) -> None:
        name = record.name
        if not record.asks_for_finals:
            advice = (
                f"Its definition asks for none: create it with finals={{'top': 3}}, or `tuner finals {name} --top 3`."
            )
        elif record.state == "stopped":
            advice = "Continue it: study.resume(), then study.run()."
        elif record.state == "done":
            advice = f"Its finals failed: see study.record.failures, then `tuner finals {name} --until-done`."
        else:
            advice = "They are made at its end: study.run()."
        super().__init__(f"Study {name!r} is {STATE_WORDS[record.state]} and has no tested final yet. {advice}")


class NoSuchModelError(TunerError):
    """The study has tested models, and not this one."""

    def __init__(self, record: StudyRecord, *, rank: int | None, repeat: int) -> None:
        found = ", ".join(
            f"rank {final.rank} with {len(final.runs)} repeat{'s' * (len(final.runs) != 1)}" for final in record.finals
        )
        wanted = f"rank {rank}, repeat {repeat}" if rank is not None else f"repeat {repeat}"
        super().__init__(
            f"Study {record.name!r} has no model of {wanted}. It has: {found}. More configurations are retrained with "
            f"`tuner finals {record.name} --top {rank or 2} --until-done`, or created with finals={{'top': 3}}."
        )


class UnknownFigureError(TunerError):
    """The study's report has no figure of that name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"No figure named {name!r} in the report.{did_you_mean(name, known)} There are: "
            f"{', '.join(known) or 'none yet, as no trial has reported an epoch'}."
        )


def check_count(trials: int) -> int:
    """Return the number of trials by which a study is to be extended, if it is one.

    Raises:
        TunerError: It is no whole number of at least 1.
    """
    if not isinstance(trials, int) or isinstance(trials, bool) or trials < 1:
        raise TunerError(f"extend received {trials!r}, expected a number of trials of at least 1.")
    return trials
