"""Faults thrown at workers and their database, and the check that nothing was lost: see `docs/reliability.md`.

The product has no hooks for this: `points` and `nursery` wrap the functions in question, everything else is the product
as it is. `python -m chaos` runs rounds of faults, and the tests beside it a short one, and races of people's commands.
"""
