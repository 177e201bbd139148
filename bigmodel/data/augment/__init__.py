"""Augmentation: training rows changed on their way to the network, other rows never."""
