"""What all steps have in common."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import nn

from bigmodel.compression.candidate import Candidate
from bigmodel.compression.work import Work
from bigmodel.errors import UserError


class Unsupported(Exception):  # noqa: N818  a verdict, not a failure
    """Why a step has nothing to do on a network, as the end of a line."""


class Step(ABC):
    """One way to make a network smaller; a dataclass whose fields are its settings.

    A step that `trains` fits the network again.
    """

    trains: ClassVar[bool] = False

    def check(self, network: nn.Module | None, rows: int) -> None:
        """Raise UserError when this network, or so many training rows, cannot work.

        Asked before the fit: `network` is the one to be trained, None where that is several.
        """
        trainable = network is not None and any(p.requires_grad for p in network.parameters())
        if self.trains and not trainable:
            name = "an ensemble" if network is None else type(network).__name__
            raise UserError(
                f"compression: {type(self).__name__} trains the network again, and {name} is not "
                "trained step by step; use compression=int8, int8_dynamic, int4, fp16 or bf16"
            )

    @abstractmethod
    def apply(self, candidate: Candidate, work: Work, name: str) -> Candidate:
        """The smaller candidate. `name` is this try's own, for what it keeps on disk.

        Raises Unsupported when the network has nothing that the step could change.
        """

    def softer(self, candidate: Candidate) -> "Step | None":
        """The same step with less effect, for when this one lost too much; None at the end."""
        return None

    def __str__(self) -> str:
        """The settings that softening changes, for reading."""
        return ""
