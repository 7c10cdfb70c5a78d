"""Counts of a dataset."""
