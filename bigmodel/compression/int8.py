"""Eight-bit integers: static, with calibrated ranges, and dynamic."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

import onnx
from annotated_types import Ge, Le
from torch import nn

from bigmodel.compression import quantise
from bigmodel.compression.candidate import Candidate
from bigmodel.compression.sensitivity import worst
from bigmodel.compression.step import Step, Unsupported
from bigmodel.compression.work import Work
from bigmodel.data.encoder import Encoded
from bigmodel.errors import UserError

__all__ = ["Int8", "Int8Dynamic"]

LEAST_ROWS = 100  # to calibrate with: the ranges of fewer miss too much
Bits = Annotated[int, Ge(2), Le(8)]


@dataclass(frozen=True)
class _Integers(Step):
    """Weights of `bits` bits with a scale for each output; those named in `keep` stay floats."""

    bits: Bits = 8
    keep: tuple[str, ...] = ()

    def apply(self, candidate: Candidate, work: Work, name: str) -> Candidate:
        """The same network, its graph coded."""
        known = quantise.names(onnx.load_model_from_string(candidate.plain))
        if not set(known) - set(self.keep):
            raise Unsupported("it has no linear, convolution or embedding layer of weights")
        return candidate.with_coding(self.coding())

    @abstractmethod
    def coding(self) -> "partial[onnx.ModelProto]":
        """What is done to the graph."""

    def softer(self, candidate: Candidate) -> "Step | None":
        """More bits, then the layer that is hurt most as floats, up to half of the layers."""
        if self.bits < 8:
            return replace(self, bits=8)
        known = quantise.names(onnx.load_model_from_string(candidate.plain))
        if len(self.keep) + 1 > len(known) / 2:
            return None
        return replace(self, keep=(*self.keep, worst(candidate, self.coding(), known, self.keep)))

    def __str__(self) -> str:
        kept = f", without {', '.join(self.keep)}" if self.keep else ""
        return f"{self.bits} bits{kept}"


@dataclass(frozen=True)
class Int8(_Integers):
    """Static: ranges of activations are calibrated on training rows (least and greatest)."""

    def check(self, network: nn.Module | None, rows: int) -> None:
        """Enough training rows to calibrate with."""
        if rows < LEAST_ROWS:
            raise UserError(
                f"compression: int8 calibrates on training rows, and {rows} are too few "
                f"({LEAST_ROWS} are needed); use compression=int8_dynamic"
            )

    def coding(self) -> partial[onnx.ModelProto]:
        """Static quantisation with these settings."""
        return partial(_static, bits=self.bits, keep=self.keep)


@dataclass(frozen=True)
class Int8Dynamic(_Integers):
    """Dynamic: each request's own ranges. Convolutions stay floats: their kernel would be slow."""

    def coding(self) -> partial[onnx.ModelProto]:
        """Dynamic quantisation with these settings."""
        return partial(_dynamic, bits=self.bits, keep=self.keep)


def _static(
    model: onnx.ModelProto, rows: Encoded, *, bits: quantise.Bits, keep: tuple[str, ...]
) -> onnx.ModelProto:
    return quantise.static(model, rows, bits, keep)


def _dynamic(
    model: onnx.ModelProto, rows: Encoded, *, bits: quantise.Bits, keep: tuple[str, ...]
) -> onnx.ModelProto:
    return quantise.dynamic(model, bits, keep)
