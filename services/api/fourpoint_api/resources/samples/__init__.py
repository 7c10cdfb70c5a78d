"""Images and their bytes."""
