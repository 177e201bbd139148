"""Answers of a model that keeps learning: all of a request by one published snapshot."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bigmodel.serving.answers import Answering, Answers, Learned
from bigmodel.serving.living.living import Living
from bigmodel.serving.parameters import Parameters
from bigmodel.serving.rows import Batch


class LiveAnswering:
    """As `Answering`, with what the network made of the rows in place of its output."""

    def __init__(self, answering: Answering, living: Living) -> None:
        self._answering, self._living = answering, living

    def answers(self, batch: Batch, output: NDArray[np.float32], parameters: Parameters) -> Answers:
        """The answers to a batch, of whose rows the network has made `output` (n, width)."""
        living = self._living
        live = living.live  # read once: what is published meanwhile is for the next request
        given, memos = live.answer(output)
        logits = given[:, : living.layout.outputs].astype(np.float32)
        answers = self._answering.answers(batch, logits, parameters)
        learned = Learned(living.named(live), memos if living.learns else None)
        return replace(answers, learned=learned)
