"""The tables of a study definition, one module each: what may be written there, with default, bounds and meaning.

    search        `[search]`, with `pruning` for `[search.pruning]`
    finals        `[finals]`; `finals_defaults` fills in what follows from the size of the search
    data          `[data]`
    sharing       `[sharing]`
    published     `[[published]]`
    regime        what `[search]` and `[finals]` both have: tables of `tuner.training_settings`, which finals inherit

`constraints`, `durations` and `objectives` read single values. What belongs to the whole definition is in
`tuner.studies.definitions`.
"""
