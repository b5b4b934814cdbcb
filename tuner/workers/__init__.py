"""Workers: processes that claim slots, run their jobs and store the outcomes.

    process               one worker process: its device share, signals, exit status
    loop                  its main loop: claim a slot, run its job, store the outcome, claim the next slot
    reporter              its thread for the database: heartbeats, results, pruning
    unserved              the studies whose data this worker cannot read
    lifetime              decides when a new process replaces a worker process
    dashboard_publisher   writes what Optuna Dashboard shows of a study
    pool, processes       start and watch one worker process for each share of this machine; import no Keras
    worker_logs           the log files of a pool's workers
    shares, autoscaling   divide the machine among workers

`tuner workers` runs a pool, and the pool starts each worker as a `tuner worker` process. In a worker process, the main
thread trains and the reporter's thread sends results to the database, so that training never waits for the database.
"""
