"""The parts of the page in reading order; each turns a `StudyView` into markup."""
