"""Losses row by row: the mean, and the row's weight, are the task's business."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SquaredError(nn.Module):
    """(y - t)^2, (n,), of outputs (n, 1) and standardised targets (n,)."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss of each row."""
        return F.mse_loss(output[:, 0], target, reduction="none")


class CrossEntropy(nn.Module):
    """-log p_y in nats, (n,), of logits (n, C) and class codes (n,)."""

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss of each row."""
        return F.cross_entropy(
            output, target, reduction="none", label_smoothing=self.label_smoothing
        )


class LogitAdjusted(CrossEntropy):
    """Cross-entropy of z + `offset`, (C,): with tau log prior there, plain z is balanced.

    Menon et al. 2021, arXiv 2007.07314; at tau = 1 also Balanced Softmax, arXiv 2007.10740.
    """

    offset: Tensor

    def __init__(self, offset: Tensor, label_smoothing: float = 0.0) -> None:
        super().__init__(label_smoothing)
        self.register_buffer("offset", offset)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss of each row."""
        return super().forward(output + self.offset, target)


class Focal(CrossEntropy):
    """(1 - p_y)^gamma times the cross-entropy (Lin et al. 2017, arXiv 1708.02002)."""

    def __init__(self, gamma: float, label_smoothing: float = 0.0) -> None:
        super().__init__(label_smoothing)
        self.gamma = gamma

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss of each row."""
        sure = output.softmax(1).gather(1, target[:, None])[:, 0]
        # 1 - p may round to 0 or below, where a root has no slope
        return (1 - sure).clamp(min=1e-7) ** self.gamma * super().forward(output, target)


class Margin(CrossEntropy):
    """Cross-entropy after `margins`, (C,), were taken from the logit of the true class."""

    margins: Tensor

    def __init__(self, margins: Tensor, label_smoothing: float = 0.0) -> None:
        super().__init__(label_smoothing)
        self.register_buffer("margins", margins)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss of each row."""
        taken = -self.margins[target].to(output.dtype)
        return super().forward(output.scatter_add(1, target[:, None], taken[:, None]), target)


class CosineHead(nn.Module):
    """`scale` times the cosine between features (n, f) and each class's weights, (n, C).

    Made from the plain head that it replaces. Has no bias: only directions count.
    """

    def __init__(self, plain: nn.Linear, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty_like(plain.weight).uniform_(-1, 1))
        self.scale = scale

    def forward(self, features: Tensor) -> Tensor:
        """Logits (n, C)."""
        return self.scale * F.linear(F.normalize(features, dim=1), F.normalize(self.weight, dim=1))
