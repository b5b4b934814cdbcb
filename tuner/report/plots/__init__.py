"""One plot a file: pure rows over records, the figure from the rows, and the exhibit that says it in words.

To add a plot: one new module with an `exhibit` function, and one line in the section that lists it.
"""
