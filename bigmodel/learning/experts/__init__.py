"""The experts: each learns the same labels in its own way; the mixer believes the better ones."""

from bigmodel.learning.experts.expert import Expert, Shape
from bigmodel.learning.experts.frozen import Frozen
from bigmodel.learning.experts.knn import WindowKNN
from bigmodel.learning.experts.known import LastLabel, RecentLabels
from bigmodel.learning.experts.replay_mlps import ReplayMLPs
from bigmodel.learning.experts.rls import RLS
from bigmodel.learning.experts.sgd import SGD
from bigmodel.learning.experts.slda import SLDA

__all__ = [
    "RLS",
    "SGD",
    "SLDA",
    "Expert",
    "Frozen",
    "LastLabel",
    "RecentLabels",
    "ReplayMLPs",
    "Shape",
    "WindowKNN",
]
