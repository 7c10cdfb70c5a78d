"""Segment Anything as an engine: official checkpoints, one device, many threads. Needs the extra `sam`.

`checkpoints` needs no torch; whatever else is imported here does.
"""
