"""The one error a caller can act on.

`TunerError` says what was received, what was expected and what to type next; the command line prints it as one line
and exits with its status. Each package defines its own situations beside the code that raises them; every other
exception is a bug and keeps its traceback.
"""


class TunerError(Exception):
    """The caller can act on it."""

    #: Exit status of the command line.
    exit_status = 1


class RestartNeededError(TunerError):
    """This process cannot go on, a fresh one can: a lost device, a database away for too long."""

    exit_status = 75
