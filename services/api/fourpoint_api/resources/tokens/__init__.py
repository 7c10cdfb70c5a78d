"""Secrets that programs show instead of a password."""
