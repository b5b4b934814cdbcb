"""Study definitions: read from files, options and Python, validated, explained, and written again.

definition           `StudyDefinition`: the tables of `tuner.studies.sections` together, as frozen values
making               makes one of what a person gives: `files` finds it, `toml` parses it, `overrides` are `--set`
explanation          one line about what is wrong with it; `other_names` what other tools call samplers and pruners
naming               which names a study may have
shipped              the definitions that come with this package
settings_reference   every setting with its meaning, for `tuner study settings` and the manual
template             a commented file to edit; `written_range` changes a range in a file
"""
