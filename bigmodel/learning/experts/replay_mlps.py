"""Small perceptrons that go on training: on the new rows, and on rows drawn from the past."""

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge, Gt

from bigmodel.learning.arrays import Floats, log_softmax
from bigmodel.learning.experts.expert import Expert, Shape, targets
from bigmodel.learning.lift import Features
from bigmodel.learning.perceptron import Adam, Perceptron, Singles, fitted

__all__ = ["ReplayMLPs"]

_DECAY = 0.01
_MOST_ROWS, _EPOCHS, _ROW_STEPS = 20_000, 150, 400_000  # of the first fit


@dataclass(kw_only=True)
class ReplayMLPs(Expert):
    """One copy for each of `lrs`; it draws `replay` rows from the last `windows` rows, each step.

    Their answer is the mean of their probabilities. After a change, steps are `boost` times as
    long for `boosted_rows` rows. Draws are numbered, so that a restored state draws the same.
    """

    arrays: ClassVar[tuple[str, ...]] = (
        *("theta", "mean", "square", "ring", "labels"),
        "counters",  # steps, rows seen, rows left with longer steps
    )

    lrs: tuple[Annotated[float, Gt(0)], ...] = (3e-4, 1e-3, 1e-3, 3e-3)
    windows: tuple[Annotated[int, Gt(0)], ...] = (6000, 6000, 1000, 500)
    replay: Annotated[int, Ge(0)] = 48
    steps: Annotated[int, Gt(0)] = 2
    boost: Annotated[float, Ge(1)] = 3.0
    boosted_rows: Annotated[int, Ge(0)] = 500
    net: Perceptron = field(init=False, repr=False, compare=False)
    theta: Singles = field(init=False, repr=False, compare=False)
    mean: Singles = field(init=False, repr=False, compare=False)
    square: Singles = field(init=False, repr=False, compare=False)

    def start(self, shape: Shape) -> None:
        """Random weights and an empty ring; `warm` gives better ones."""
        self._seed, self._classes = shape.seed, shape.classes
        self.net = Perceptron(shape.inputs, shape.outputs, bool(shape.classes))
        rng = np.random.Generator(np.random.PCG64(self._seed))
        self._take(self.net.draw(rng)[None])
        size = max(self.windows)
        self.ring = np.zeros((size, shape.inputs), dtype=np.float32)
        self.labels = np.zeros(size, dtype=np.int64 if shape.classes else np.float64)
        self.counters = np.zeros(3, dtype=np.int64)

    def warm(self, features: Features, labels: Any) -> None:
        """Fit one perceptron to these rows, and start every copy from it."""
        X = features.inputs[-_MOST_ROWS:].astype(np.float32)
        Y = targets(labels[-_MOST_ROWS:], self._classes).astype(np.float32)
        rng = np.random.Generator(np.random.PCG64(self._seed))
        self._take(fitted(self.net, X, Y, rng, epochs=_EPOCHS, row_steps=_ROW_STEPS))
        self._store(X, labels[-_MOST_ROWS:])

    def predict(self, features: Features) -> Floats:
        """The mean of the copies' probabilities, or of their values."""
        X = features.inputs.astype(np.float32)
        output = self.net.forward(self.theta, X)[-1].astype(np.float64)
        if not self._classes:
            return np.asarray(output.mean(axis=0))
        return np.asarray(np.log(np.exp(log_softmax(output)).mean(axis=0) + 1e-12))

    def learn(self, features: Features, labels: Any) -> None:
        """A few steps on the new rows together with rows of the past."""
        X = features.inputs.astype(np.float32)
        lr = np.array(self.lrs, dtype=np.float32)[:, None]
        if self.counters[2] > 0:
            lr *= self.boost
        adam = Adam(self.mean, self.square, int(self.counters[0]))
        for _ in range(self.steps):
            rows, known = self._drawn(adam.steps)
            given = np.concatenate([np.broadcast_to(X, (len(lr), *X.shape)), rows], axis=1)
            wanted = np.concatenate([np.broadcast_to(labels, (len(lr), len(X))), known], axis=1)
            Y = targets(wanted.ravel(), self._classes).astype(np.float32)
            gradient = self.net.gradient(self.theta, given, Y.reshape(*wanted.shape, -1))
            self.theta = adam.step(self.theta, gradient, lr, _DECAY)
        self.mean, self.square = adam.mean, adam.square
        left = max(0, int(self.counters[2]) - len(X))
        self.counters = np.array([adam.steps, self.counters[1], left])
        self._store(X, labels)

    def forget(self, keep: float) -> None:
        """Longer steps for a while: the rows of the past fade by themselves."""
        self.counters = np.array([*self.counters[:2], self.boosted_rows])

    def grow(self, classes: int) -> None:
        """The last layer gets columns of zeros."""
        old, self._classes = self.net, classes
        self.net = Perceptron(old.inputs, classes)
        for name in ("theta", "mean", "square"):
            layers = old.layers(getattr(self, name))
            more = np.zeros((len(self.theta), old.second + 1, classes - old.outputs), np.float32)
            layers[-1] = np.concatenate([layers[-1], more], axis=2)
            flat = [layer.reshape(len(layer), -1) for layer in layers]
            setattr(self, name, np.concatenate(flat, axis=1))

    def _take(self, theta: Any) -> None:
        self.theta = np.repeat(theta, len(self.lrs), axis=0)
        self.mean, self.square = np.zeros_like(self.theta), np.zeros_like(self.theta)

    def _store(self, X: Any, labels: Any) -> None:
        size, count = len(self.ring), int(self.counters[1])
        places = (count + np.arange(len(X))) % size
        self.ring, self.labels = self.ring.copy(), self.labels.copy()
        self.ring[places[-size:]], self.labels[places[-size:]] = X[-size:], labels[-size:]
        self.counters = np.array([self.counters[0], count + len(X), self.counters[2]])

    def _drawn(self, step: int) -> tuple[Any, Any]:
        """(copies, replay, inputs) rows of the past, and their labels."""
        size, count = len(self.ring), int(self.counters[1])
        held = min(count, size)
        if not held:
            return self.ring[None, :0].repeat(len(self.lrs), 0), np.zeros((len(self.lrs), 0), int)
        # the key is the seed, the counter the step: no generator has to be kept
        rng = np.random.Generator(np.random.Philox(key=self._seed, counter=[0, 0, 0, step]))
        shares = rng.random((len(self.lrs), self.replay))
        reach = np.minimum(np.array(self.windows), held)[:, None]
        places = (count - 1 - (shares * reach).astype(np.int64)) % size
        return self.ring[places], self.labels[places]
