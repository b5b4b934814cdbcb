"""Faults thrown at workers and their database, and the check that nothing was lost: see `docs/reliability.md`.

The product has no hooks for this: `worker` wraps the functions in question, everything else is the installed package.
"""
