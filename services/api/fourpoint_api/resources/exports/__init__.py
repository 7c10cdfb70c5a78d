"""Exports of datasets, and their downloads."""
