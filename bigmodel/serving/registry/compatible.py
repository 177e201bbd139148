"""Whether who asks one version of a model may ask another one without a change."""

from bigmodel.data.schema import Schema


def compatible(old: Schema, new: Schema) -> list[str]:
    """Why callers of a model with the schema `old` could not go on with `new`; nothing: they can.

    Both schemas have the columns that a row needs, and no others. A column that `new` does not
    need is no difference, except for callers who send the numbers as one matrix: their columns
    have no names. Whole and fractional numbers are the same to callers, and so are categories:
    an unknown one is no mistake.
    """
    known = {column.name: column for column in old.columns}
    lines = []
    for column in new.columns:
        before = known.get(column.name)
        if before is None:
            lines.append(f"needs the column {column.name!r}, which callers do not send")
        elif before.kind != column.kind:
            lines.append(f"takes {column.name!r} as {column.kind}, not {before.kind}")
    if not lines and _matrix(old) != _matrix(new):
        lines.append(f"reads a matrix as {_shown(_matrix(new))}, not as {_shown(_matrix(old))}")
    target, before_target = new.target, old.target
    if target.name != before_target.name:
        lines.append(f"tells {target.name!r}, not {before_target.name!r}")
    if target.classes != before_target.classes:
        lines.append(
            f"has the classes {_shown(target.classes)}, not {_shown(before_target.classes)}"
        )
    elif target.dtype != before_target.dtype and target.classes:
        lines.append(f"answers with {target.dtype} labels, not {before_target.dtype}")
    return lines


def _matrix(schema: Schema) -> tuple[str, ...]:
    """The columns of a matrix, in their order."""
    return tuple(column.name for column in schema.columns if column.kind == "numeric")


def _shown(names: tuple[str, ...]) -> str:
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "") or "none"
