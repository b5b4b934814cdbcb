"""Workers: processes that claim slots, run their jobs and store the outcomes.

process, loop          one worker: claim a slot, run its job, store the outcome, claim the next
reporter               its thread for the database: heartbeats, results, pruning decisions
unserved               studies whose data cannot be read on this machine, which it leaves to other workers
lifetime               when a fresh process replaces a worker's
pool, processes        one worker process for each share of this machine, watched and restarted; imports no Keras
worker_logs            their log files
shares, autoscaling    how the machine is divided among them
dashboard_publisher    what Optuna Dashboard shows of a study

A worker has three threads. The main one trains and never waits for the database, except for a pruner's decision. The
reporter's renews the lease and stores results; when it finds the lease lost or the study stopped, the main thread ends
its trial after the epoch. The third listens for SIGTERM and Ctrl-C and makes the worker drain: it finishes the epoch,
releases the slot and ends. A worker may die at any point: the pool that sees it, or any other worker once the lease has
expired, makes the slot wait again, and the next worker goes on from its last checkpoint.
"""
