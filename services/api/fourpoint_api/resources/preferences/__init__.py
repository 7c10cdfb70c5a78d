"""What a person chose last."""
