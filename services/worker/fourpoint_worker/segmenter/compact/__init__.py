"""The learned engine: a small network behind the same port as every other."""
