"""What a check found."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The outcome of one check."""

    check: str
    ok: bool
    message: str
    #: The command that repairs or improves it; empty when there is nothing to do.
    fix: str = ""
