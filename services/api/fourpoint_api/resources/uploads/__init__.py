"""Uploads past the API, straight to the object store."""
