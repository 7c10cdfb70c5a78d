"""Revisions of a document: read, compared, undone, redone, restored."""
