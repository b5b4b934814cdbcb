"""The database that processes share: its connection, its tables, and Optuna's storage in it.

    storage            `open_storage`: one engine for each process, on SQLite or Postgres
    engines            what its engines are told of either database
    preparation        brings the tables up to date: tuner's by `migrations`, Optuna's by Optuna
    schema             tuner's tables
    url, reader_role   which URLs are taken, and a role of Postgres that only reads
    errors             the drivers' errors as tuner's own: the database is away, or a person must repair it
    outages            each call is repeated while the database is away, until the process has waited long enough
    retrying_storage   the same for Optuna's calls; for the holder of a lease each write checks the lease first
    optuna_tables      Optuna's own tables, with `single_creation` the only door to them
    texts              which texts and numbers every database can keep

Knows nothing of studies but the tables: nothing here imports from the rest of `tuner.studies`.
"""
