"""Images that other tools send for an outline."""
