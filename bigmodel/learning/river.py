"""Any classifier of River (an extra) as a challenger."""

from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from bigmodel.errors import UserError
from bigmodel.learning.arrays import Floats
from bigmodel.learning.experts.expert import Expert, Shape
from bigmodel.learning.lift import Features

__all__ = ["River"]

_LEAST = 1e-4  # a probability of nought would be an infinite loss


@dataclass(kw_only=True)
class River(Expert):
    """`model` names a class below `river`, such as `forest.ARFClassifier`; `settings` are its own.

    It sees the standardised columns, row by row. Its trees change in place and cannot be kept in
    a state: it is a challenger for ever, a yardstick, and begins anew with the process.
    """

    model: str
    settings: dict[str, Any] = field(default_factory=dict)

    def start(self, shape: Shape) -> None:
        """Make the classifier. Raises UserError when River, or the class, is not there."""
        self.quick, self._classes = True, shape.classes
        self._made = _class(self.model)(**self.settings)

    def predict(self, features: Features) -> Floats:
        """What it says of each row; all alike before it has learnt anything."""
        shares = np.full((len(features.raw), self._classes), _LEAST)
        for row, x in enumerate(_dicts(features)):
            for label, share in (self._made.predict_proba_one(x) or {}).items():
                shares[row, label] += share
        return np.asarray(np.log(shares / shares.sum(axis=1, keepdims=True)))

    def learn(self, features: Features, labels: Any) -> None:
        """Row by row."""
        for x, label in zip(_dicts(features), labels.tolist(), strict=True):
            self._made.learn_one(x, label)

    def grow(self, classes: int) -> None:
        """River's classifiers take new classes as they come."""
        self._classes = classes


def _class(name: str) -> Any:
    module, _, kind = name.rpartition(".")
    try:
        base = import_module("river.base")
        found = getattr(import_module(f"river.{module}"), kind, None)
    except ImportError as error:
        raise UserError(
            f"learning.challengers: {name}: {error}; "
            'pip install "bigmodel[learning]", and name a class such as forest.ARFClassifier'
        ) from error
    if not (isinstance(found, type) and issubclass(found, base.Classifier)):
        raise UserError(f"learning.challengers: river.{name} is not a classifier of River")
    return found


def _dicts(features: Features) -> list[dict[int, float]]:
    return [dict(enumerate(row)) for row in features.raw[:, 1:].tolist()]
