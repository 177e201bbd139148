"""Strategies that change the logits: in the loss, or after training."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Gt

from bigmodel.errors import UserError
from bigmodel.weighting.plan import Plan
from bigmodel.weighting.posthoc import PostHoc
from bigmodel.weighting.rows import Floats, Rows
from bigmodel.weighting.strategy import PRIOR, Strategy

__all__ = ["LDAM", "Focal", "LogitAdjust", "LogitAdjustPostHoc"]


@dataclass(kw_only=True)
class LogitAdjust(Strategy):
    """Trains on z + tau log pi and serves z (Menon et al. 2021, arXiv 2007.07314).

    pi are the class shares of the training rows. tau = 1 is Balanced Softmax.
    """

    corrects: ClassVar[frozenset[str]] = frozenset({PRIOR})
    label: ClassVar[str] = "logit_adjust"

    tau: Annotated[float, Gt(0)] = 1.0

    def fit(self, rows: Rows) -> Plan:
        """The loss with its offset."""
        import torch

        from bigmodel.weighting.losses import LogitAdjusted

        rows.need_classes(self.label)
        offset = torch.tensor(self.tau * log_prior(rows), dtype=torch.float32)
        return Plan(loss=partial(LogitAdjusted, offset), tau=self.tau)


@dataclass(kw_only=True)
class LogitAdjustPostHoc(Strategy):
    """Trains plainly and serves z - tau log pi + log target (arXiv 2007.07314, section 4.1).

    `tau` is tuned on the validation rows' macro F1 unless given. `target` are the class shares
    that the model will meet; equal ones unless given. The bundle keeps both, and a prediction
    may name other shares.
    """

    corrects: ClassVar[frozenset[str]] = frozenset({PRIOR})
    label: ClassVar[str] = "logit_adjust_posthoc"

    tau: Annotated[float, Ge(0)] | None = None
    target: Mapping[str, Annotated[float, Gt(0)]] | None = None

    def fit(self, rows: Rows) -> Plan:
        """What to do with the logits after training."""
        rows.need_classes(self.label)
        shares = None
        if self.target is not None:
            wrong = sorted(set(map(str, self.target)) ^ set(rows.classes))
            if wrong:
                raise UserError(
                    f"weighting.target: {wrong[0]!r} is in only one of the settings and the table; "
                    f"give a share for each of {', '.join(rows.classes)}"
                )
            given = {str(name): share for name, share in self.target.items()}
            shares = np.array([given[name] for name in rows.classes])
            shares = shares / shares.sum()
        return Plan(posthoc=PostHoc(log_prior(rows), self.tau, shares))


@dataclass(kw_only=True)
class Focal(Strategy):
    """(1 - p)^gamma times the loss: less of rows that are easy already. No cure for long tails."""

    label: ClassVar[str] = "focal"

    gamma: Annotated[float, Ge(0)] = 2.0

    def fit(self, rows: Rows) -> Plan:
        """The loss."""
        from bigmodel.weighting.losses import Focal as FocalLoss

        rows.need_classes(self.label)
        return Plan(loss=partial(FocalLoss, self.gamma))


@dataclass(kw_only=True)
class LDAM(Strategy):
    """Larger margins for rarer classes, on a cosine head (Cao et al. 2019, arXiv 1906.07413).

    m_c = max_margin (n_min / n_c)^(1/4); the loss is the cross-entropy of
    scale * (cos - m_y onehot(y)). A plain head would diverge, so the network's is replaced.
    """

    label: ClassVar[str] = "ldam"

    max_margin: Annotated[float, Gt(0)] = 0.5
    scale: Annotated[float, Gt(0)] = 30.0

    def fit(self, rows: Rows) -> Plan:
        """The loss and the head."""
        import torch

        from bigmodel.weighting.losses import CosineHead, Margin

        rows.need_classes(self.label)
        margins = self.max_margin * (rows.counts.min() / rows.counts) ** 0.25
        scaled = torch.tensor(self.scale * margins, dtype=torch.float32)
        return Plan(loss=partial(Margin, scaled), head=partial(CosineHead, scale=self.scale))


def log_prior(rows: Rows) -> Floats:
    """The logarithm of each class's share of the training rows, (C,)."""
    result: Floats = np.log(rows.counts / rows.counts.sum())
    return result
