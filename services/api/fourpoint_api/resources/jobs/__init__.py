"""Background work, as its callers see it."""
