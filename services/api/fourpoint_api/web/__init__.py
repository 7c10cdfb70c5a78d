"""How HTTP is spoken, without any nouns."""
