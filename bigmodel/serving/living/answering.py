"""Answers of a model that keeps learning: all of a request by one published snapshot."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bigmodel.bundle.postprocess import Postprocess
from bigmodel.serving.answers import Answering, Answers, Learned
from bigmodel.serving.living.living import Living
from bigmodel.serving.parameters import Parameters
from bigmodel.serving.rows import Batch

_widened = lru_cache(maxsize=64)(Postprocess.widened)  # they change when a class is taken up
_answering = lru_cache(maxsize=64)(Answering)


class LiveAnswering:
    """As `Answering`, with what the network made of the rows in place of its output."""

    def __init__(self, answering: Answering, living: Living) -> None:
        self._answering, self._living = answering, living

    def answers(self, batch: Batch, output: NDArray[np.float32], parameters: Parameters) -> Answers:
        """The answers to a batch, of whose rows the network has made `output` (n, width)."""
        living, answering = self._living, self._answering
        live = living.live  # read once: what is published meanwhile is for the next request
        given, memos = live.answer(output)
        if live.added:
            wide = _widened(parameters.postprocess, live.added)
            parameters, answering = replace(parameters, postprocess=wide), _answering(wide)
        answers = answering.answers(batch, given.astype(np.float32), parameters)
        kept = memos._replace(features=None) if living.learns else None
        learned = Learned(living.named(live), kept)
        return replace(answers, learned=learned)
