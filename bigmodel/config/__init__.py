"""What may be said: composing, checking and trusting configs."""
