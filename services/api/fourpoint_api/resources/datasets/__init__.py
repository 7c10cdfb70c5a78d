"""Datasets and the labels they hold."""
