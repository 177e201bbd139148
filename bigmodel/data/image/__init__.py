"""Images: where they come from, how they become pixels."""
