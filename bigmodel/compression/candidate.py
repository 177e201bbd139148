"""A network on its way to a small file: what it is now, and how its graph will be stored."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import onnx
from torch import nn

from bigmodel.bundle.engine import Engine
from bigmodel.bundle.export import stripped, to_onnx
from bigmodel.compression.pack import pack
from bigmodel.compression.slim import slim
from bigmodel.data.encoder import Encoded
from bigmodel.data.spec import ModelSpec
from bigmodel.errors import BigmodelError

Coding = Callable[[onnx.ModelProto, Encoded], onnx.ModelProto]
_CHECKED = 64  # rows on which the packed file must answer as the dense one


@dataclass(frozen=True)
class Candidate:
    """A trained `network`, and the `codings` that its exported graph goes through, in order.

    `rows` are those that codings find ranges with, `figures` what its steps have to tell.
    """

    network: nn.Module
    spec: ModelSpec
    rows: Encoded
    codings: tuple[Coding, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)

    def with_network(self, network: nn.Module) -> "Candidate":
        """The same codings of another network."""
        return replace(self, network=network)

    def with_coding(self, coding: Coding) -> "Candidate":
        """One more coding of the same network."""
        made = replace(self, codings=(*self.codings, coding))
        made.__dict__["plain"] = self.plain  # exporting takes seconds
        return made

    def with_figures(self, **figures: float) -> "Candidate":
        """The same candidate with more to tell."""
        made = replace(self, figures={**self.figures, **figures})
        made.__dict__.update({k: v for k, v in self.__dict__.items() if k in ("plain", "served")})
        return made

    @cached_property
    def plain(self) -> bytes:
        """The network as it is, as ONNX."""
        return to_onnx(self.network, self.spec)

    @cached_property
    def served(self) -> bytes:
        """The file that is served. Raises BigmodelError when packing changed an answer."""
        model = onnx.load_model_from_string(self.plain)
        for coding in self.codings:
            model = coding(model, self.rows)
        dense, packed = stripped(model), stripped(slim(pack(model)))
        rows = self.rows.rows(slice(_CHECKED))
        one, other = (Engine(file, "the compressed network").run(rows) for file in (dense, packed))
        if not np.array_equal(one, other, equal_nan=True):
            raise BigmodelError(
                "compression: the packed network does not answer as the unpacked one; "
                "another version of onnxruntime may unpack it: see constraints.txt"
            )
        return packed
