"""Stands before the installed JAX, as if there were none."""

raise ImportError("JAX is not installed in the plain installation.")
