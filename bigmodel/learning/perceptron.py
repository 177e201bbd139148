"""A perceptron of two hidden layers in numpy: several copies at a time, each with its own weights.

Parameters are one float32 array (members, size), so that a step of the optimiser is a few
operations on it.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Singles = NDArray[np.float32]
_BETA1, _BETA2, _EPSILON = np.float32(0.9), np.float32(0.99), np.float32(1e-6)


@dataclass(frozen=True)
class Perceptron:
    """inputs -> first -> second -> outputs, with ReLU; a value where not `classifies`."""

    inputs: int
    outputs: int
    classifies: bool = True
    first: int = 128
    second: int = 64

    @cached_property
    def shapes(self) -> list[tuple[int, int]]:
        """Of each layer's weights; the last of its rows is the bias."""
        widths = (self.inputs, self.first, self.second, self.outputs)
        return [(wide + 1, out) for wide, out in pairwise(widths)]

    @cached_property
    def size(self) -> int:
        """How many parameters one copy has."""
        return sum(rows * columns for rows, columns in self.shapes)

    def draw(self, rng: np.random.Generator) -> Singles:
        """One copy's first parameters, (size,): uniform within 1 / sqrt(inputs of the layer)."""
        parts = []
        for rows, columns in self.shapes:
            bound = 1.0 / np.sqrt(rows - 1)
            parts.append(rng.uniform(-bound, bound, rows * columns))
        return np.concatenate(parts).astype(np.float32)

    def layers(self, theta: Singles) -> list[Singles]:
        """Views of (members, size) as the layers' weights, (members, rows, columns)."""
        found, start = [], 0
        for rows, columns in self.shapes:
            part = theta[:, start : start + rows * columns]
            found.append(part.reshape(len(theta), rows, columns))
            start += rows * columns
        return found

    def forward(self, theta: Singles, X: Singles) -> list[Singles]:
        """Each layer's result, (members, n, width), of X (n, inputs) or (members, n, inputs)."""
        passed, results = X, []
        layers = self.layers(theta)
        for index, layer in enumerate(layers):
            passed = np.matmul(passed, layer[:, :-1]) + layer[:, -1:]
            if index < len(layers) - 1:
                np.maximum(passed, 0.0, out=passed)
            results.append(passed)
        return results

    def gradient(self, theta: Singles, X: Singles, Y: Singles) -> Singles:
        """Of each member's mean loss, (members, size); X (members, n, inputs), Y likewise.

        The loss is cross-entropy of one-hot Y, or half the squared error.
        """
        results = self.forward(theta, X)
        error = softmax(results[-1]) - Y if self.classifies else results[-1] - Y
        error /= np.float32(X.shape[1])
        gradient = np.empty_like(theta)
        places, layers = self.layers(gradient), self.layers(theta)
        for index in (2, 1, 0):
            below = results[index - 1] if index else X
            places[index][:, :-1] = np.matmul(below.transpose(0, 2, 1), error)
            places[index][:, -1] = error.sum(axis=1)
            if index:
                error = np.matmul(error, layers[index][:, :-1].transpose(0, 2, 1))
                error *= below > 0
        return gradient


@dataclass
class Adam:
    """Adam with decoupled weight decay, on parameters (members, size)."""

    mean: Singles
    square: Singles
    steps: int = 0

    @classmethod
    def of(cls, theta: Singles) -> "Adam":
        """Before the first step."""
        return cls(np.zeros_like(theta), np.zeros_like(theta))

    def step(self, theta: Singles, gradient: Singles, lr: Any, decay: float) -> Singles:
        """The parameters after a step; `lr` is a number, or (members, 1). Uses up `gradient`."""
        self.steps += 1
        rate = np.asarray(lr, dtype=np.float32)
        self.mean = _BETA1 * self.mean
        self.square = _BETA2 * self.square
        gradient *= 1 - _BETA1
        self.mean += gradient
        gradient *= gradient
        gradient *= (1 - _BETA2) / (1 - _BETA1) ** 2
        self.square += gradient
        root = np.sqrt(self.square, out=gradient)  # bias-corrected below, in the numbers
        second = np.float32(np.sqrt(1.0 - float(_BETA2) ** self.steps))
        root += _EPSILON * second
        np.divide(self.mean, root, out=root)
        root *= rate * (second / np.float32(1.0 - float(_BETA1) ** self.steps))
        moved = theta * (1 - np.float32(decay) * rate)
        moved -= root
        return np.asarray(moved)


def softmax(scores: Singles) -> Singles:
    """Over the last axis."""
    found = np.exp(scores - scores.max(axis=-1, keepdims=True))
    found /= found.sum(axis=-1, keepdims=True)
    return np.asarray(found)


def fitted(
    net: Perceptron,
    X: Singles,
    Y: Singles,
    rng: np.random.Generator,
    *,
    epochs: int,
    row_steps: int,
) -> Singles:
    """One copy trained on (n, inputs) and (n, outputs), (1, size): the best on a fifth held out.

    Ends after `epochs`, after `row_steps` rows in all, or when 15 epochs have brought nothing.
    """
    order = rng.permutation(len(X))
    held, used = order[: len(X) // 5], order[len(X) // 5 :]
    theta = net.draw(rng)[None]
    optimiser, best, best_loss, idle = Adam.of(theta), theta, np.inf, 0
    for _ in range(max(1, min(epochs, row_steps // max(1, len(used))))):
        for batch in np.array_split(rng.permutation(used), max(1, len(used) // 32)):
            gradient = net.gradient(theta, X[None, batch], Y[None, batch])
            theta = optimiser.step(theta, gradient, 2e-3, 1e-2)
        loss = _loss(net, theta, X[held], Y[held]) if len(held) else 0.0
        idle = 0 if loss < best_loss else idle + 1
        if loss < best_loss or not len(held):
            best, best_loss = theta, loss
        if idle >= 15:
            break
    return best


def _loss(net: Perceptron, theta: Singles, X: Singles, Y: Singles) -> float:
    output = net.forward(theta, X)[-1][0]
    if net.classifies:
        return float(-np.log((softmax(output) * Y).sum(axis=1) + 1e-12).mean())
    return float(((output - Y) ** 2).mean())
