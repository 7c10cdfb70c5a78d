"""Has a dataset say what its bucket says: survey, renames, images, sidecars, each in slices that are final."""
