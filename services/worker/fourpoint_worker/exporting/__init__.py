"""From a dataset to files: a snapshot on disk, the split, and an archive."""
