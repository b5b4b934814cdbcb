"""Optuna Dashboard, guarded, with the fleet page and the reports beside it: `tuner.dashboard.server.serve`.

Knows: optuna_dashboard, the WSGI server, studies and the report's pages. Must not know: Keras, KerasTuner, workers,
training, datasets; Plotly only through reports, which a process of their own renders.

The way of a request: `guard.py` refuses what must not come in and sets every answer's headers (`visitors.py` tells who
is known, `policies.py` what a browser may do with an answer); `compression.py` makes it small; `site.py` finds the
page, ours or Optuna Dashboard's.
"""
