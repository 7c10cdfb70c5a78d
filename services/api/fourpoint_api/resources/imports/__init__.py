"""Imports into datasets, what they had to say, and the boxes that they kept."""
