"""The mixer: one answer of many, and weights that follow who was right."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le

from bigmodel.learning.arrays import FLOOR, Floats, Ints, State, changed, log_softmax, log_sum

__all__ = ["Mixer"]

_FADE = 0.995  # of the two error counts
_ENOUGH = 100.0  # labels that count, before the hand-over
_TOTAL, _LEAST, _GREATEST = 1.2, -0.2, 3.0  # of the stacking weights
_STEP, _SQUARES = 0.05, 1e-3


@dataclass(frozen=True, kw_only=True)
class Mixer:
    """Hedge with fixed share (Herbster and Warmuth 1998) at first, then stacking where better.

    `eta` is the learning rate of hedge and `share` what it spreads evenly after each step. Stacking
    learns a weight for each expert's log probabilities; it takes over once its share of errors is
    `switch_margin` lower, and hands back when it is as much higher. Votes are (E, n, K) log
    probabilities. Immutable: `learned` gives another mixer.
    """

    eta: Annotated[float, Gt(0)] = 0.5
    share: Annotated[float, Ge(0), Le(1)] = 0.01
    switch_margin: Annotated[float, Ge(0), Le(1)] = 0.01
    v: Floats = None  # type: ignore[assignment]  # log weights of hedge, (E,)
    w: Floats = None  # type: ignore[assignment]  # weights of stacking, (E,)
    q: Floats = None  # type: ignore[assignment]  # mean squares of their gradients, (E,)
    errors: Floats = None  # type: ignore[assignment]  # fading: of hedge, of stacking, labels
    stacks: bool = False

    def started(self, experts: int) -> "Mixer":
        """Everybody weighs the same."""
        return changed(
            self,
            v=np.full(experts, -np.log(experts)),
            w=np.full(experts, _TOTAL / experts),
            q=np.full(experts, _SQUARES),
            errors=np.zeros(3),
        )

    @property
    def weights(self) -> Floats:
        """How much each expert counts now, (E,)."""
        return self.w if self.stacks else np.exp(self.v)

    def answer(self, votes: Floats) -> Floats:
        """(n, K) log probabilities of (E, n, K)."""
        L = np.maximum(votes, FLOOR)
        return self._stacked(L) if self.stacks else self._hedged(L)

    def both(self, votes: Floats) -> tuple[Floats, Floats]:
        """By hedge and by stacking, (n, K) each."""
        L = np.maximum(votes, FLOOR)
        return self._hedged(L), self._stacked(L)

    def _hedged(self, L: Floats) -> Floats:
        return log_softmax(log_sum(L + self.v[:, None, None]))

    def _stacked(self, L: Floats) -> Floats:
        return log_softmax((self.w @ L.reshape(len(L), -1)).reshape(L.shape[1:]))

    def learned(self, votes: Floats, wrong: Floats, labels: Ints) -> "Mixer":
        """The mixer after n labels; `wrong` (2,) are the errors of hedge and of stacking, then."""
        L, n = np.maximum(votes, FLOOR, order="C"), len(labels)
        rows = np.arange(n)
        errors = _FADE**n * self.errors + np.array([*wrong, n], dtype=np.float64)
        T = np.exp(self._stacked(L))
        T[rows, labels] -= 1.0
        g = L.reshape(len(L), -1) @ T.ravel() / n
        q = 0.99 * self.q + 0.01 * g * g
        step = _STEP * min(1.0, n / 16 + 0.1) * g / (np.sqrt(q) + 1e-3)
        return changed(
            self,
            v=self._shared(L[:, rows, labels]),
            w=np.minimum(np.maximum(self.w - step, _LEAST), _GREATEST),
            q=q,
            errors=errors,
            stacks=self._choice(errors),
        )

    def _shared(self, gains: Floats) -> Floats:
        """The log weights after gains (E, n): few rows one by one, many at once."""
        v, n = self.v, gains.shape[1]
        steps = gains.T if n <= 4 else [gains.sum(axis=1) / np.sqrt(n)]
        for gain in steps:
            v = v + self.eta * gain
            v = np.exp(v - v.max())
            v = np.log((1.0 - self.share) * v / v.sum() + self.share / len(v))
        return v

    def _choice(self, errors: Floats) -> bool:
        count = errors[2]
        if count < _ENOUGH:
            return self.stacks
        gain = (errors[0] - errors[1]) / count
        return bool(gain > (-self.switch_margin if self.stacks else self.switch_margin))

    def added(self) -> "Mixer":
        """One more expert, the last: it starts with the share of a newcomer."""
        e = len(self.v) + 1
        v = np.append(self.v + np.log(1 - 1 / e), -np.log(e))
        return changed(
            self, v=v, w=np.append(self.w, 0.0), q=np.append(self.q, _SQUARES), errors=self.errors
        )

    def state(self) -> State:
        """The arrays."""
        stacks = np.array([self.stacks])
        return {"v": self.v, "w": self.w, "q": self.q, "errors": self.errors, "stacks": stacks}

    def loaded(self, state: State) -> "Mixer":
        """The mixer that gave this state."""
        v, w, q, errors = (state[name] for name in ("v", "w", "q", "errors"))
        return changed(self, v=v, w=w, q=q, errors=errors, stacks=bool(state["stacks"][0]))
