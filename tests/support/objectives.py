"""Objectives for tests: the one that studies have unless they say another, and one of which less is better."""

from tuner.objectives import OBJECTIVES

ACCURACY = OBJECTIVES["accuracy"]
LOSS = OBJECTIVES["loss"]
