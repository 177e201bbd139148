"""A bundle that keeps learning: its network makes rows of numbers, its learner answers.

Two more files: `learner.json`, the settings and what a row is made of; `learner.safetensors`, the
state. In its network's output stand the features beside what any network gives.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from bigmodel.bundle.engine import Engine
from bigmodel.bundle.members import LEARNER
from bigmodel.data.encoder import Encoded
from bigmodel.errors import UserError
from bigmodel.learning.layout import Layout
from bigmodel.learning.learner import Learner
from bigmodel.learning.settings import Learning

STATE = "learner.safetensors"
_WIDE, _MOST = 16, 64  # categories of a column that become columns themselves; of all of them


class Columns(NamedTuple):
    """How an encoded row becomes columns: the numbers, and for few categories one column each."""

    numeric: int
    cardinalities: tuple[int, ...]

    @property
    def opened(self) -> list[int]:
        """The categorical columns that are opened, the first ones as far as there is room."""
        found, total = [], 0
        for column, size in enumerate(self.cardinalities):
            if size <= _WIDE and total + size <= _MOST:
                found.append(column)
                total += size
        return found

    @property
    def width(self) -> int:
        """How many columns come out."""
        return self.numeric + sum(self.cardinalities[column] for column in self.opened)

    def of(self, encoded: Encoded) -> NDArray[np.float32]:
        """(n, width) of n encoded rows."""
        parts = [encoded.numeric]
        for column in self.opened:
            codes = np.arange(self.cardinalities[column])
            parts.append((encoded.categorical[:, column, None] == codes).astype(np.float32))
        return np.concatenate(parts, axis=1)


class LiveEngine(Engine):
    """Runs the network and the learner; asked like an `Engine`, it gives the learner's answers.

    `learner` may learn in another thread meanwhile: a run reads its published version once.
    """

    def __init__(self, engine: Engine, learner: Learner, columns: Columns) -> None:
        self.engine, self.learner, self.columns = engine, learner, columns
        self.passing = engine.passing

    def run(self, encoded: Encoded) -> NDArray[np.float32]:
        """(n, K) logits, or (n, 1) standardised values, of n encoded rows.

        K are the classes of the schema: those that came later are in `learner.live` alone.
        """
        answers = self.learner.live.predict(self.rows(encoded)).astype(np.float32)
        return answers[:, : self.learner.layout.outputs]

    def rows(self, encoded: Encoded) -> NDArray[np.float32]:
        """The rows (n, width) that `Snapshot.answer` takes, of n encoded rows."""
        return np.concatenate([self.engine.run(encoded), self.columns.of(encoded)], axis=1)


def to_files(learner: Learner, columns: Columns) -> dict[str, bytes]:
    """The two files."""
    content = {
        "settings": learner.settings.to_json(),
        "layout": learner.layout.to_json(),
        "classes": learner.shape.classes,
        "columns": columns._asdict(),
    }
    state = {name: np.ascontiguousarray(array) for name, array in learner.state().items()}
    return {LEARNER: (json.dumps(content, indent=1) + "\n").encode(), STATE: save(state)}


def from_files(files: Mapping[str, bytes], engine: Engine, place: str) -> LiveEngine:
    """The engine of these files. Raises UserError, naming `place`, when they are another's."""
    try:
        content: dict[str, Any] = json.loads(files[LEARNER])
        settings = Learning.from_json(content["settings"])
        learner = Learner(settings, Layout(**content["layout"]), int(content["classes"]))
        learner.load_state(load(files[STATE]))
        given = content["columns"]
        columns = Columns(int(given["numeric"]), tuple(map(int, given["cardinalities"])))
    except Exception as error:
        raise UserError(
            f"{place}: its learner cannot be read ({type(error).__name__}: {str(error)[:100]}); "
            "train it again with this bigmodel"
        ) from error
    return LiveEngine(engine, learner, columns)
