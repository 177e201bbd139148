"""Who may ask, and how it answers: the service."""
