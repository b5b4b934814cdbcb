"""Studies as one self-contained HTML page: `tuner.report.page.render_report` and `write_report`.

Knows: study records, the artifact store, Plotly, scikit-learn, and of `finals` the Keras-free modules. Must not know:
Keras, KerasTuner, Optuna, the database, datasets on disk; what it shows stands in a record or in an artifact.

The way through it: `sections/` are the parts of the page in reading order; `plots/` hold one plot a file (rows first,
then the figure, then the `Exhibit` with its words and its table); `markup.py` is the only code that writes tags, and it
escapes all it is not told to trust.
"""
