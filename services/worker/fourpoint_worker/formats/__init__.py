"""File formats of other tools, one file each: bytes to values and values to bytes, streaming.

Nothing here opens a file or a connection of its own. `catalogue` lists the formats; `values` is what they
speak.
"""
