"""What a person writes in a script or a notebook: `tuner.create_study(…)`, and the `Study` that it returns.

Knows: settings, and everything that the command line calls; of the command line itself the progress display and the
last lines, which a script prints too. Holds no logic of its own but what Python alone needs: arrays become a dataset
(`datasets.py`), a builder of a notebook's cells becomes a module (`builders.py`, `source.py`), and progress is shown in
a notebook (`notebook.py`).
"""
