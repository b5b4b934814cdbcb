"""The job of a slot of the search: `trial`, and `cohort` for several trials as one program."""
