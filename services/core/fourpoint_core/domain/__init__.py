"""Rules in plain Python: no input, no output, no framework."""
