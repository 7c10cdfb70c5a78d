"""Published versions: publishing, reading, comparing, and working on one again."""
