"""The mixer of a regression: experts as Gaussians, weighed by the likelihood of what came."""

from dataclasses import dataclass

import numpy as np

from bigmodel.learning.arrays import FLOOR, Floats, State, changed
from bigmodel.learning.mixer import Mixer

__all__ = ["GaussianMixer"]

_FADE, _FIRST, _LEAST = 0.99, 1.0, 1e-6  # of the squared errors: values are standardised
_BEST = 4.0  # of a log likelihood: nobody is believed beyond it


@dataclass(frozen=True, kw_only=True)
class GaussianMixer(Mixer):
    """Hedge over Gaussians: each expert's value, with the fading mean of its squared errors.

    Votes are (E, n, 1) standardised values, the answer is their mean by weight.
    """

    variance: Floats = None  # type: ignore[assignment]  # (E,)

    def started(self, experts: int) -> "GaussianMixer":
        """Everybody weighs the same."""
        v = np.full(experts, -np.log(experts))
        return changed(self, v=v, variance=np.full(experts, _FIRST))

    def answer(self, votes: Floats) -> Floats:
        """The mean (n, 1) of (E, n, 1)."""
        return np.asarray(np.einsum("e,enk->nk", np.exp(self.v), votes))

    def both(self, votes: Floats) -> tuple[Floats, Floats]:
        """There is one way."""
        answer = self.answer(votes)
        return answer, answer

    def learned(self, votes: Floats, wrong: Floats, labels: Floats) -> "GaussianMixer":  # type: ignore[override]
        """The mixer after n values."""
        squares = (votes[:, :, 0] - labels) ** 2
        spread = self.variance[:, None]
        gains = np.clip(-0.5 * (squares / spread + np.log(2 * np.pi * spread)), FLOOR, _BEST)
        kept = _FADE ** len(labels)
        variance = kept * self.variance + (1 - kept) * squares.mean(axis=1)
        return changed(self, v=self._shared(gains), variance=np.maximum(variance, _LEAST))

    def added(self) -> "GaussianMixer":
        """One more expert, the last."""
        e = len(self.v) + 1
        v = np.append(self.v + np.log(1 - 1 / e), -np.log(e))
        return changed(self, v=v, variance=np.append(self.variance, _FIRST))

    def state(self) -> State:
        """The arrays."""
        return {"v": self.v, "variance": self.variance}

    def loaded(self, state: State) -> "GaussianMixer":
        """The mixer that gave this state."""
        return changed(self, v=state["v"], variance=state["variance"])
