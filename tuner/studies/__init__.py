"""Studies: definitions, the database, slots and leases, outcomes, samplers, pruners, records.

Knows Optuna and SQLAlchemy, and no Keras: nothing here can build or train a model. A study's truth is its slots, one
row for each trial of the budget and each job of the finals; Optuna's tables hold what samplers, pruners and the
dashboard read, and are brought into line with the slots whenever the two differ.

definition, sections   what a study is: the TOML file as frozen values, validated once, stored whole
storage, schema        one database for tuner's tables and Optuna's; migrations; times are the database's
outages                every call is repeated while the database is away, until the process has waited long enough
retrying_storage       the same for Optuna's calls; for the holder of a lease each write looks for the lease first
lifecycle              a study's row: insert, find, extend, stop, resume, delete
slots                  who does what: claim a slot, renew its lease, end or release it, reap what expired
outcomes               what a slot is asked for and what came of it, a class for each stage; alone knows their JSON
trials, scores         a search slot and its trial in Optuna: opened once, found again, closed with the outcome
samplers, pruners      what a trial draws, and whether it goes on; random numbers follow from the study's seed (seeds)
ranking                which configurations are best: the one rule for candidates, finals and their ranks
reading, records       everything that a study has done as plain values, for the report, the dashboard and exports
progress, fleet        what is counted of studies, and what their workers do
garbage, deletion      files that no slot names any more

A slot goes `waiting` → `leased` → `ended` → `done`. Its lease has an expiry by the database's clock and a token that
grows with each claim; a write under an older token changes nothing, so that any worker may die at any line. `end_slot`
stores the outcome, its result and score for counting, and its curve in a column of its own; a slot of the search is
`ended` until `close_ended_trials` has told Optuna, which any worker may do.
"""
