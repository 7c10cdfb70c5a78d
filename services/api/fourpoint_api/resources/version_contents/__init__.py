"""What a version says of one image, its file, and files that are no longer those that were pinned."""
