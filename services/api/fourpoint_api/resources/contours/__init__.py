"""Four clicks in, an outline out."""
