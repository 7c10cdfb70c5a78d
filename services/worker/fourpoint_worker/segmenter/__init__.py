"""Point prompts to contours: the port, its engines, and the way from mask to polygon."""
