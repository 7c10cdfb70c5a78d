"""Thin handlers, three verbs: claim, do, record."""
