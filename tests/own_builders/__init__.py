"""Builders as people bring them, for tests: `own_builders.nets:EveryKind` with `tests` as the current folder."""
