"""Train one configuration: what search trials, confirmations and retrainings do alike.

fit         one model: built by the space, trained by `tuner.training`
at_once     several models as one program, where the backend can
folds       one model for each fold; `finished_folds` keeps what is done of it
regime      how a configuration is trained, with the ranges that the search draws
callbacks   the callbacks that a definition names
costs       what a model needs, measured before its first epoch
time_limit  how long one attempt may take
"""
