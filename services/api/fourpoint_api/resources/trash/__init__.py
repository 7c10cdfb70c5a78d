"""Deleting images, and taking that back."""
