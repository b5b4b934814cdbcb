"""One plot a file: pure rows over records, the figure from the rows, and the `ReportFigure` that says it in words.

To add a plot: one new module with a `report_figure` function, and one line in the section that lists it.
"""
