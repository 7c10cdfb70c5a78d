"""HTTP: the public contract over REST; starts without torch installed."""
