"""Studies: definitions, the database, slots and leases, samplers, pruners, records.

Knows Optuna and SQLAlchemy, and no Keras: nothing here can build or train a model. A study's truth is its slots, one
row for each trial of the budget and each job of the finals; Optuna's tables hold what samplers, pruners and the
dashboard read.
"""
