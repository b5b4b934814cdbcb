"""Processes that are forked from one that has imported Keras: they start in milliseconds instead of seconds.

    client          `ForkServer`, which starts the server, and the processes that are started through it
    process         one of those
    server          the process that is forked, `python -m tuner.forking.server`
    shared_server   the name under which several processes find one server

Knows nothing of what the processes do; `tuner.workers.forked` says what the server imports. docs/decisions/0046 says
when a process may be forked.
"""
