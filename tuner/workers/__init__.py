"""Workers: the loop, one trial, the bridge from KerasTuner's `hp` to Optuna, the pool of processes.

Here Keras and Optuna meet, and here alone beside `tuner.finals`. A worker is one process for one device share; a pool
starts and watches the workers of this machine and imports no Keras itself.
"""
