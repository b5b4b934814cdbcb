"""Workers: processes that claim slots, run their jobs and store the outcomes.

process, loop          one worker: claim a slot, run its job, store the outcome, claim the next
reporter               its thread for the database: heartbeats, results, pruning
lifetime               when a fresh process goes on
pool, processes        one worker for each share of this machine; imports no Keras
shares, autoscaling    how the machine is divided
showing                what the dashboard shows of a study

Training never waits for the database: `reporter` speaks to it meanwhile.
"""
