"""Sample filters: what they accept, those kept by name, and what a filter form can offer."""
