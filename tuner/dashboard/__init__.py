"""Optuna Dashboard, guarded, with the fleet page and the reports beside it: `tuner.dashboard.server.serve`.

Knows: optuna_dashboard, the WSGI server, studies and the report's pages. Must not know: Keras, KerasTuner, workers,
training, datasets, SQLAlchemy; Plotly only through reports, which a separate process renders.

The path of a request: `connections.py` accepts it; `guard.py` refuses unwanted requests and sets the headers of every
response (`visitors.py` knows who has signed in, `policies.py` what a browser may do with a response); `compression.py`
compresses the response; `site.py` finds the page. tuner's own pages are built by `pages.py` from the values of
`fleet.py`, reports by `reports.py` in a process of their own (`rendering.py`); Optuna Dashboard serves the rest, except
for a study's trials, which `study_detail.py` writes faster, and for requests that `optuna_requests.py` refuses.
"""
