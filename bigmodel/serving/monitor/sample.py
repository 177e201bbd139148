"""Which of the answered rows are looked at: only the requests of these are read again."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from bigmodel.serving import records
from bigmodel.serving.collect import Answered, Rows
from bigmodel.serving.model import Model


class Given(NamedTuple):
    """A request that was answered: `row_count` rows, which nobody has read again yet."""

    model: Model
    row_count: int
    rows: Rows
    answers: Answered


def sampled(
    requests: Sequence[Given], most: int, random: np.random.Generator
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """At most `most` rows of these requests, each as likely as any other, and their answers.

    Images are left out.
    """
    ends = np.cumsum([request.row_count for request in requests])
    chosen = random.permutation(ends[-1])[:most]
    places = np.searchsorted(ends, chosen, side="right")
    rows: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    for place in np.unique(places).tolist():
        request = requests[place]
        needed = request.model.reader.needed.values()
        images = [column.name for column in needed if column.kind == "image"]
        told, said = records.objects(request.rows(images)), records.answers(request.answers())
        for at in (chosen[places == place] - (ends[place] - request.row_count)).tolist():
            rows.append(told[at])
            answers.append(said[at])
    return rows, answers
