"""From the network's numbers to the answer: calibrated probabilities, labels, units."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bigmodel.data.schema import Target

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Postprocess:
    """What happens after the network.

    `temperature` > 0 divides the logits (calibrated on the validation split; 1 changes nothing).
    What the outputs stand for (classes, offset, scale) is the schema's `target`.
    """

    target: Target
    temperature: float = 1.0

    def calibrated(self, output: Floats) -> Floats:
        """The logits divided by the temperature; the value of a regression as it is."""
        return output if self.target.task == "regression" else output / self.temperature

    def probabilities(self, logits: Floats) -> NDArray[np.float64]:
        """(n, K) logits to (n, K) probabilities, whose rows sum to 1."""
        scaled = logits.astype(np.float64) / self.temperature
        scaled -= scaled.max(axis=1, keepdims=True)
        np.exp(scaled, out=scaled)
        scaled /= scaled.sum(axis=1, keepdims=True)
        return scaled

    def values(self, output: Floats) -> NDArray[np.float64]:
        """(n, 1) standardised outputs of a regression to (n,) values in the target's units."""
        return self.target.offset + self.target.scale * output[:, 0].astype(np.float64)

    def labels(self, probabilities: Floats) -> "pd.Series[Any]":
        """The most probable class of each row, as the target's own dtype."""
        return self._classes().take(probabilities.argmax(axis=1)).reset_index(drop=True)

    def _classes(self) -> "pd.Series[Any]":
        """The classes, which the schema holds as text, in the target's own dtype."""
        texts = list(self.target.classes)
        if self.target.dtype == "bool":
            return pd.Series([text == "True" for text in texts])
        return pd.Series(texts, dtype="str").astype(pd.Series([], dtype=self.target.dtype).dtype)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: what `postprocess.json` holds."""
        return {"temperature": self.temperature}

    @classmethod
    def from_json(cls, content: dict[str, Any], target: Target) -> "Postprocess":
        """Read what `to_json` wrote. Raises KeyError, TypeError or ValueError on anything else."""
        temperature = float(content["temperature"])
        if not 0 < temperature < np.inf:
            raise ValueError("temperature must be a positive number")
        return cls(target, temperature)
