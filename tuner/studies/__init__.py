"""Studies: definitions, the database, slots and leases, outcomes, samplers, pruners, records.

Knows Optuna and SQLAlchemy, and no Keras: nothing here can build or train a model. A study's truth is its slots, one
row for each trial of the budget and each job of the finals; Optuna's tables hold what samplers, pruners and the
dashboard read, and are brought into line with the slots whenever the two differ.

    sections/       the tables of a definition, one module each
    definitions/    a definition: made of files and options, validated once as frozen values, stored whole
    database/       one database for tuner's tables and Optuna's; calls wait while it is away; times are the database's
    slots/          which worker does which part: claim a slot, renew its lease, end it with an outcome, reap
    samplers/, pruners, priors    what a trial draws, and whether it goes on; random numbers follow from `seeds`
    records/        everything that a study has done as plain values, for the report, the dashboard and exports

    lifecycle       a study's row: insert, find, extend, stop, resume; `deletion` and `garbage` remove files
    trials          a search slot and its trial in Optuna: opened once, found again, closed with the outcome
    stages          from one stage to the next: adds the slots that `tuner.jobs` plans; `finals_request` asks for finals
    ranking         which configurations are best: the one rule for candidates, finals and their ranks; `fronts`
    progress, fleet counts and rates of studies, and what their workers do; `expected_time` what a study will take
    companions      further slots for a worker that trains several models as one program
    trial_details, dashboard_content     what the dashboard shows

A function that is `retried` is repeated as a whole while the database is away. It must therefore be safe to repeat
after a COMMIT that succeeded without an answer: it sets what it is given, or first looks whether an earlier attempt has
done the work. A worker waits for up to an hour; a command fails at once, with one line.
"""
