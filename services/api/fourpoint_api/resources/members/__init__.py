"""Who is what in a dataset."""
