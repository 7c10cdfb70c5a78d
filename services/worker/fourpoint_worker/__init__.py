"""Background work; starts without Flask installed."""
