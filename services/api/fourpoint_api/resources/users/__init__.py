"""People: whom to share with, and who may still sign in."""
