"""How a trained network gets small and fast, with a loss that is measured and bounded."""
