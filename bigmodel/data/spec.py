"""What a network has to know about a table before it can be built."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bigmodel.data.encoder import Encoder
from bigmodel.data.schema import Schema, Task

if TYPE_CHECKING:
    from bigmodel.data.prepare import Prepared


@dataclass(frozen=True)
class ModelSpec:
    """The shape of an encoded table and its target.

    `cardinalities` holds the number of codes of each categorical column; `vocabulary` and
    `length` are the number of tokens that there are and that a text has (those from `words` on
    are letters of words that are tokens, too), `image` the shape (channels, height, width) of the
    images. `scale` is what one unit of a regression's
    standardised target is worth in the target's own units. `table` is the table itself, for
    networks that fit a part of themselves before the first step.
    """

    n_numeric: int
    cardinalities: tuple[int, ...]
    task: Task
    n_outputs: int
    classes: tuple[str, ...]
    train_rows: int
    scale: float = 1.0
    vocabulary: int = 0
    words: int = 0
    length: int = 0
    image: tuple[int, int, int] | None = None
    table: Prepared | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, schema: Schema, encoder: Encoder, train_rows: int = 0) -> ModelSpec:
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
            vocabulary=encoder.text.vocabulary.size if encoder.text else 0,
            words=encoder.text.vocabulary.words if encoder.text else 0,
            length=encoder.text.length if encoder.text else 0,
            image=encoder.image.shape if encoder.image else None,
        )

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of one row of each input that the table has, by name."""
        found: dict[str, tuple[int, ...]] = {
            "numeric": (self.n_numeric,),
            "categorical": (len(self.cardinalities),),
        }
        if self.vocabulary:
            found["tokens"] = (self.length,)
        if self.image is not None:
            found["image"] = self.image
        return found
