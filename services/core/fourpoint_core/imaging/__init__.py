"""Images as people upload them: told apart by content, bounded, and turned upright in 8-bit RGB."""
