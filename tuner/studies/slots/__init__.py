"""Slots and leases: which worker does which part of a study, and that each part is done exactly once.

A slot is one unit of work: a trial of the search's budget, or a job of the finals. A worker claims a slot and holds a
lease on it.

    slot              one slot as a value, read from its row; new slots
    outcomes          what a slot is asked for, its job, and what it stores when it ends, its outcome
    stored_outcomes   their JSON in the database
    claims            gives a worker the next slot; `turns` says of which study
    leases            holds, ends and releases a slot; `scores` stores what its epochs reach
    reaping           takes back the slots of vanished workers
    limits            ends a search or finals whose time is over

A slot goes `waiting` → `leased` → `ended` → `done`. Its lease has an expiry by the database's clock and a token that
grows with each claim; a write under an older token changes nothing, so that any worker may die at any line. `end_slot`
stores the outcome, its result and score for counting, and its curve in a column of its own; a slot of the search is
`ended` until `close_ended_trials` of `tuner.studies.trials` has closed its trial in Optuna, which any worker may do.
"""
