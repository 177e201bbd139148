"""From the network's numbers to the answer: calibrated probabilities, labels, units."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bigmodel.data.schema import Target
from bigmodel.errors import UserError
from bigmodel.weighting.costs import Costs

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Postprocess:
    """What happens after the network: p = softmax((z + offset) / temperature + shift).

    `temperature` > 0 was calibrated on the validation split; 1 changes nothing. `offset`, one
    number per class, corrects the training's class shares; `shift` leads to other ones, from the
    shares `prior` that the answers stand for. With `costs`, the answer to two classes is the one
    of the least expected cost. What the outputs stand for (classes, offset, scale) is the
    schema's `target`.
    """

    target: Target
    temperature: float = 1.0
    offset: tuple[float, ...] = ()
    shift: tuple[float, ...] = ()
    prior: tuple[float, ...] = ()
    costs: Costs | None = None

    def calibrated(self, output: Floats) -> Floats:
        """Logits whose softmax are the probabilities; the value of a regression as it is."""
        if self.target.task == "regression":
            return output
        logits = output + np.array(self.offset, dtype=output.dtype) if self.offset else output
        logits = logits / self.temperature
        return logits + np.array(self.shift, dtype=output.dtype) if self.shift else logits

    def probabilities(self, logits: Floats) -> NDArray[np.float64]:
        """(n, K) logits to (n, K) probabilities, whose rows sum to 1."""
        scaled = np.array(self.calibrated(logits), dtype=np.float64)
        scaled -= np.maximum.reduce(scaled, axis=1, keepdims=True)  # as max: less around it
        np.exp(scaled, out=scaled)
        scaled /= np.add.reduce(scaled, axis=1, keepdims=True)
        return scaled

    def values(self, output: Floats) -> NDArray[np.float64]:
        """(n, 1) standardised outputs of a regression to (n,) values in the target's units."""
        return self.target.offset + self.target.scale * output[:, 0].astype(np.float64)

    def codes(
        self, probabilities: Floats, costs: Mapping[str, NDArray[np.float64]]
    ) -> NDArray[np.int64]:
        """The answer to each row as a class code, (n,): the most probable, or the cheapest.

        `costs` are the columns that the decision asks for, (n,) each: those of `cost_columns`.
        """
        if self.costs is None:
            codes: NDArray[np.int64] = probabilities.argmax(axis=1)
            return codes
        return self.costs.of(costs, len(probabilities)).decide(probabilities[:, 1])

    def cost_columns(self, rows: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
        """The columns of the raw rows that hold costs. Raises UserError where one is missing."""
        names = () if self.costs is None else self.costs.columns
        columns = {name: rows[name].to_numpy(dtype=np.float64) for name in names}
        for name, values in columns.items():
            if np.isnan(values).any():
                row = rows.index[int(np.isnan(values).argmax())]
                raise UserError(
                    f"row {row}: column {name!r} has no value, and the decision needs its cost; "
                    "fill the cell"
                )
        return columns

    def labels(self, codes: NDArray[np.int64]) -> "pd.Series[Any]":
        """The class of each row, as the target's own dtype."""
        return self._classes().take(codes).reset_index(drop=True)

    def with_prior(self, shares: Mapping[str, float]) -> "Postprocess":
        """The same for data in which the classes have these `shares` (they need not sum to 1).

        Each probability is multiplied by the new share divided by the old one (Saerens et al.
        2002, "Adjusting the outputs of a classifier to new a priori probabilities"). Raises
        UserError unless each class has a positive share.
        """
        given = {str(name): share for name, share in shares.items()}
        wrong = sorted(given.keys() ^ set(self.target.classes))
        bad = [name for name, share in given.items() if not _is_share(share)]
        if wrong or bad or not self.prior:
            raise UserError(
                f"prior: {(wrong or bad or ['classes'])[0]}: give a positive share for each of "
                f"{', '.join(self.target.classes) or 'no class: this is a regression'}"
            )
        new = np.array([float(given[name]) for name in self.target.classes])
        shift = np.log(new / new.sum()) - np.log(self.prior)
        return replace(self, shift=tuple((shift - shift.mean()).tolist()))

    def widened(self, classes: tuple[str, ...]) -> "Postprocess":
        """The same with these classes as well, the last; corrected as all on average."""

        def wide(values: tuple[float, ...]) -> tuple[float, ...]:
            return (*values, *[float(np.mean(values))] * len(classes)) if values else ()

        target = replace(self.target, classes=(*self.target.classes, *classes))
        return replace(self, target=target, offset=wide(self.offset), shift=wide(self.shift))

    def _classes(self) -> "pd.Series[Any]":
        """The classes, which the schema holds as text, in the target's own dtype."""
        texts = list(self.target.classes)
        if self.target.dtype == "bool":
            return pd.Series([text == "True" for text in texts])
        return pd.Series(texts, dtype="str").astype(pd.Series([], dtype=self.target.dtype).dtype)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: what `postprocess.json` holds."""
        return {
            "temperature": self.temperature,
            "offset": list(self.offset),
            "shift": list(self.shift),
            "prior": list(self.prior),
            "costs": None if self.costs is None else self.costs.to_json(),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any], target: Target) -> "Postprocess":
        """Read what `to_json` wrote. Raises KeyError, TypeError or ValueError on anything else."""
        temperature = float(content["temperature"])
        if not 0 < temperature < np.inf:
            raise ValueError("temperature must be a positive number")
        offset, shift, prior = (
            _per_class(content[name], target) for name in ("offset", "shift", "prior")
        )
        if min(prior, default=1.0) <= 0:
            raise ValueError("prior must be positive")
        costs = None if content["costs"] is None else Costs.from_json(content["costs"])
        if costs is not None and len(target.classes) != 2:
            raise ValueError("costs need two classes")
        return cls(target, temperature, offset, shift, prior, costs)


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and bool(1e-30 < value < 1e30)


def _per_class(values: Any, target: Target) -> tuple[float, ...]:
    given = tuple(map(float, values))
    if len(given) not in (0, len(target.classes)) or not np.isfinite(given).all():
        raise ValueError("offset, shift and prior have one finite number per class, or none")
    return given
