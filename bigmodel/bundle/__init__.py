"""What comes out: the bundle, written, verified, opened and run without importing torch."""
