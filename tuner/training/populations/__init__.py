"""Several models of equal structure trained as one program, where the backend can.

train      trains them, as `tuner.training.train` trains one
epochs     their epochs
widths     finds how many are trained at once
cache      keeps the program for the next ones
"""
