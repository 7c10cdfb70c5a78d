"""From files to a dataset: archives and paths of the bucket as trees, images found, documents saved."""
