"""What a network has to know about a table before it can be built."""

from dataclasses import dataclass

from bigmodel.data.encoder import Encoder
from bigmodel.data.schema import Schema, Task


@dataclass(frozen=True)
class ModelSpec:
    """The shape of an encoded table and its target.

    `cardinalities` holds the number of codes of each categorical column; `scale` is what one unit
    of a regression's standardised target is worth in the target's own units.
    """

    n_numeric: int
    cardinalities: tuple[int, ...]
    task: Task
    n_outputs: int
    classes: tuple[str, ...]
    train_rows: int
    scale: float = 1.0

    @classmethod
    def of(cls, schema: Schema, encoder: Encoder, train_rows: int = 0) -> "ModelSpec":
        """The shape of what `encoder` makes of a table with this schema."""
        target = schema.target
        return cls(
            n_numeric=encoder.n_numeric,
            cardinalities=encoder.cardinalities,
            task=target.task,
            n_outputs=target.n_outputs,
            classes=target.classes,
            train_rows=train_rows,
            scale=target.scale,
        )
