"""Studies: definitions, the database, slots and leases, outcomes, samplers, pruners, records.

Knows Optuna and SQLAlchemy, and no Keras: nothing here can build or train a model. A study's truth is its slots, one
row for each trial of the budget and each job of the finals; Optuna's tables hold what samplers, pruners and the
dashboard read, and are brought into line with the slots whenever the two differ.

definition, sections   what a study is: the TOML file (definition_files) as frozen values, validated once, stored whole;
                       the other sections are modules of their own: data_section, finals_section, sharing, published
storage, schema        one database for tuner's tables and Optuna's; migrations; times are the database's
database_errors        the drivers' errors as tuner's own: the database is away, or a person must mend it
outages                each call is repeated while the database is away, until the process has waited long enough
retrying_storage       the same for Optuna's calls; for the holder of a lease each write checks the lease first
optuna_tables          Optuna's own tables, with single_creation the only door to them
lifecycle              a study's row: insert, find, extend, stop, resume, delete; finals_request asks for finals
turns, limits          whose study the next free worker works for; when the time of a search or of finals is over
slots, reaping         which worker does what: claim a slot, renew its lease, end or release it; reap what expired
stages                 from one stage to the next: add the slots that a plan of tuner.jobs says
outcomes               jobs and outcomes of slots, a class for each stage; the only module that knows their JSON
trials, scores         a search slot and its trial in Optuna: opened once, found again, closed with the outcome
samplers, pruners      what a trial draws, and whether it goes on; random numbers follow from the study's seed (seeds)
ranking                which configurations are best: the one rule for candidates, finals and their ranks
reading, records       everything that a study has done as plain values, for the report, the dashboard and exports;
                       final_records makes those of the finals
progress, fleet        counts and rates of studies, and what their workers do; expected_time what a study will take
garbage, deletion      files that no slot names

A slot goes `waiting` → `leased` → `ended` → `done`. Its lease has an expiry by the database's clock and a token that
grows with each claim; a write under an older token changes nothing, so that any worker may die at any line. `end_slot`
stores the outcome, its result and score for counting, and its curve in a column of its own; a slot of the search is
`ended` until `close_ended_trials` has closed its trial in Optuna, which any worker may do.

A function that is `retried` is repeated as a whole during an outage. It must therefore be safe to repeat after a COMMIT
that succeeded without an answer: it sets what it is given, or first looks whether an earlier attempt has done the work.
A worker waits for up to an hour; a command fails at once, with one line.
"""
