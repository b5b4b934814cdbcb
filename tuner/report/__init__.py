"""Studies as one self-contained HTML page: `tuner.report.page.render_report` and `write_report`.

Knows: study records, bundles, the artifact store, Plotly, scikit-learn. Must not know: Keras, KerasTuner, Optuna, the
database, datasets on disk; everything shown comes from a record or an artifact.

How the parts work together: `finals_results.py` reads predictions from the artifact store, `headline.py` condenses a
study to its main numbers; `page.py` passes both to `page_sections/`, the parts of the page in reading order. `plots/`
hold one plot a file: rows from the records, the drawing from the rows, and the `ReportFigure` (`figures.py`) that adds
a title, the finding in words and the numbers as a table. Only `markup.py` writes HTML tags, and it escapes text.
"""
