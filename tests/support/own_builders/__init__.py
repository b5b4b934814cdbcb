"""Builders as people bring them: `own_builders.nets:EveryKind` with `tests/support` as the current folder."""
