"""Plain torch networks: no Lightning, no config, only tensors in and tensors out."""
