"""Having a dataset say what its bucket says."""
