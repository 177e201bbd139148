"""Who may ask a model over HTTP, and how it answers; nothing here imports torch."""
