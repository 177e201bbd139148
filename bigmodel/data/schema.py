"""What a table holds: its columns, its target, and how that is told in JSON.

A schema is learnt from the training rows once, travels in the bundle as `schema.json`, and is
what training, batch scoring and the service check rows against.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Kind = Literal["numeric", "categorical", "boolean", "datetime", "id", "text", "image", "cost"]
Task = Literal["binary", "multiclass", "regression"]

# "cost" columns hold what a decision about the row costs: only the postprocess reads them
FEATURE_KINDS = (
    "numeric",
    "categorical",
    "boolean",
    "datetime",
    "image",
)  # the others feed no network


@dataclass(frozen=True)
class Column:
    """One input column.

    `dtype` is the pandas dtype that the column is read with (`float64`, `int64`, `bool`, `str`,
    `datetime64[us]`). `missing` are the texts that stand for "no value", besides the empty one.
    `minimum`/`maximum` are the range seen in training: numbers, or ISO times for datetimes.
    `categories` are the values seen often enough to have a code of their own, as text.
    `histogram` is the training distribution: {"edges": [...], "counts": [...]} for numbers and
    times (seconds since 1970), {"categories": [...], "counts": [...]} for categories and booleans;
    of a text it is that of its length in characters.
    `shape` is that of an image's pixels: channels, height, width.
    """

    name: str
    kind: Kind
    dtype: str
    missing: tuple[str, ...] = ()
    missing_rate: float = 0.0
    minimum: float | str | None = None
    maximum: float | str | None = None
    categories: tuple[str, ...] | None = None
    histogram: dict[str, list[Any]] | None = None
    shape: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Target:
    """The output column.

    Classification: `classes` in the order of the network's outputs, as text; `dtype` is what the
    labels are given back as. Regression: the network's output y stands for `offset + scale * y`
    in the target's own units.
    """

    name: str
    task: Task
    dtype: str
    classes: tuple[str, ...] = ()
    offset: float = 0.0
    scale: float = 1.0
    missing: tuple[str, ...] = ()

    @property
    def n_outputs(self) -> int:
        """How many numbers the network gives for a row: one per class, or one."""
        return len(self.classes) or 1


@dataclass(frozen=True)
class Schema:
    """The columns of a table, in the file's order (without the target), and its target."""

    columns: tuple[Column, ...]
    target: Target
    dropped: tuple[str, ...] = field(default=())  # by the user, with `data.drop`

    @property
    def features(self) -> tuple[Column, ...]:
        """The columns that feed the network."""
        return tuple(c for c in self.columns if c.kind in FEATURE_KINDS)

    @property
    def ids(self) -> tuple[str, ...]:
        """The names of the id columns: not fed to the network, copied beside its predictions."""
        return tuple(c.name for c in self.columns if c.kind == "id")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `from_json` gives an equal schema back."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Schema":
        """Read what `to_json` wrote. Raises TypeError or KeyError on anything else."""
        columns = tuple(Column(**_with_tuples(column)) for column in content["columns"])
        target = Target(**_with_tuples(content["target"]))
        return cls(columns, target, tuple(content["dropped"]))


def _with_tuples(content: dict[str, Any]) -> dict[str, Any]:
    """JSON knows only lists; what is a tuple here becomes one again."""
    tuples = ("missing", "categories", "classes", "shape")
    return {
        key: tuple(value) if key in tuples and value is not None else value
        for key, value in content.items()
    }
