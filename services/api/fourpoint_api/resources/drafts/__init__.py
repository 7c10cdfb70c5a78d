"""What a person has drawn on an image and not saved yet."""
