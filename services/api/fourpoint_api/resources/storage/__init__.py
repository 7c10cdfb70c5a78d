"""The object store as clients see it: what may be done there, and what it tells of itself."""
