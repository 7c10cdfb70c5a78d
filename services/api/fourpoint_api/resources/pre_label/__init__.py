"""Outlines drawn in bulk, and what people say to them."""
