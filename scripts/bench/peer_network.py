"""The network of the peers' servers, in PyTorch; PEER_COLUMNS and PEER_HIDDEN say its sizes."""

import os

import torch
from torch import nn

CLASSES = 10


def network() -> nn.Module:
    """Random weights: the speed is the same. One thread a run."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    layers, width = [], int(os.environ["PEER_COLUMNS"])
    for hidden in map(int, os.environ["PEER_HIDDEN"].split(",")):
        layers += [nn.Linear(width, hidden), nn.ReLU()]
        width = hidden
    return nn.Sequential(*layers, nn.Linear(width, CLASSES), nn.Softmax(dim=1)).eval()
