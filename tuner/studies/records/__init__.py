"""What studies have done so far, as plain values for reports, pages, commands and scripts.

    study, trial, finals   the values: a `StudyRecord` with its trials and finals
    parts                  the parts of a study's work, and what people call them
    reading                makes them of the database's rows, with `reading_finals` and `searched`

What is concluded from them alone: `factors` compares values one factor at a time, `fidelity` counts the images that
trials saw, `largest_class` doubts a result, `shortfall` finds what is missing, `ended_by` says why a stage ended early,
`listing` orders trials, `export` writes files.
"""
