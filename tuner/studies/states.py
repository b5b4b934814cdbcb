"""The states of a study, of its trials and of the jobs of its finals, as people see them."""

from typing import Literal

TrialState = Literal["waiting", "running", "complete", "pruned", "failed"]
StudyState = Literal["searching", "finals", "done", "stopped"]
JobState = Literal["waiting", "running", "complete", "failed"]
