"""Workers: processes that claim slots, run their jobs and store the outcomes.

    process               one worker process: its device share, signals, exit status
    loop                  its main loop: claim a slot, run its job, store the outcome, claim the next slot
    reporter              its thread for the database: heartbeats, results, pruning
    slot_ends             what follows when a slot has ended
    unserved              the studies whose data this worker cannot read
    lifetime              decides when a new process replaces a worker process
    dashboard_publisher   writes what Optuna Dashboard shows of a study
    pool, processes       start and watch one worker process for each share of this machine; import no Keras
    work                  what the workers of a pool are told to do, and who watches them
    worker_logs           the log files of a pool's workers
    shares, autoscaling   divide the machine among workers
    cluster/              workers on a Ray cluster, one actor for each
    forked                the server that forks workers
    metrics               what Prometheus reads

`tuner workers` runs a pool, and the pool starts each worker as a `tuner worker` process. A worker has three threads.
The main thread trains; it never waits for the database, except for a pruner's decision. The reporter's thread renews
the lease and stores results; if the lease is lost or the study stopped, the main thread ends its trial after the epoch.
The third thread listens for SIGTERM and Ctrl-C and makes the worker drain: it finishes the epoch, releases the slot and
ends. A worker may die at any point. Then its pool releases the slot or, if there is no pool, another worker reaps the
lease when it has expired; the next worker that claims the slot resumes from the last checkpoint.
"""
