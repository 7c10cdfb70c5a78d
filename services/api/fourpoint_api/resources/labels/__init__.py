"""What objects are called, in one dataset."""
