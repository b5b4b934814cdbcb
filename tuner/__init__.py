"""Tuner."""
