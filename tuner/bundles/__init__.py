"""Bundles: what leaves a study. Weights with their description and provenance; predictions; submissions."""
