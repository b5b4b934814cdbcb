"""After the search: which jobs a study needs next, and the work of each.

planning                 adds the slots of the next stage: confirmations, retrainings, the ensemble
jobs                     confirmation, retraining with its one test, ensemble
test_part                opens the test images, for `jobs` and for the preflight alone
score                    what the objective is on the test images
members                  which retrained models vote
files, pictures          what a retraining leaves
ensemble_over_studies    lets the retrained models of several studies vote
"""
