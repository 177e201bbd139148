"""CARD.md: a first model card, with what the bundle knows; what only people know is left open."""

from collections.abc import Iterable, Mapping

from bigmodel.data.schema import Column, Schema

_OPEN = "_To be filled in by the people who answer for this model._"


def model_card(
    name: str,
    schema: Schema,
    metrics: Mapping[str, float | None],
    libraries: Mapping[str, str],
    golden_rows: int,
) -> str:
    """Markdown: task, metrics, columns, libraries, and the sections left open."""
    figures = [(key, "-" if value is None else f"{value:.6g}") for key, value in metrics.items()]
    return "\n".join(
        (
            f"# {name}",
            "",
            headline(schema),
            "",
            "## Intended use",
            "",
            _OPEN,
            "",
            "## Metrics",
            "",
            *_table(("metric", "value"), figures),
            "",
            "## Input columns",
            "",
            *_table(("column", "kind", "type", "missing", "values"), map(_row, schema.columns)),
            "",
            "## Data in this bundle",
            "",
            f"{golden_rows} rows of the data stand in `golden.parquet`: they are asked again at "
            "every load. `schema.json` holds ranges, categories and histograms.",
            "",
            "## Limits and risks",
            "",
            _OPEN,
            "",
            "## Made with",
            "",
            *_table(("library", "version"), libraries.items()),
            "",
        )
    )


def headline(schema: Schema) -> str:
    """What the model does, in a sentence."""
    target, count = schema.target, len(schema.features)
    if target.task == "regression":
        what = f"Estimates the number `{_code(target.name)}`"
    else:
        shown = ", ".join(f"`{_code(c)}`" for c in target.classes[:10])
        more = ", ..." if len(target.classes) > 10 else ""
        what = f"Tells which `{_code(target.name)}` a row has, of {shown}{more},"
    return f"{what} from {count} column{'s' if count != 1 else ''} of a table."


def _row(column: Column) -> tuple[str, ...]:
    missing = f"{column.missing_rate:.1%}" if column.missing_rate else "none"
    if column.categories is not None:
        values = f"{len(column.categories)} categories"
    elif column.minimum is not None:
        ends = (column.minimum, column.maximum)
        values = " to ".join(end if isinstance(end, str) else f"{end:g}" for end in ends)
    elif column.shape is not None:
        values = f"{' x '.join(map(str, column.shape))} (channels, height, width)"
    else:
        values = ""
    return (f"`{_code(column.name)}`", column.kind, column.dtype, missing, values)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [head, ("---",) * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _code(text: str) -> str:
    """A name from a data file, so that it stays within its code span and its table cell."""
    return text.replace("`", "'").replace("|", "\\|").replace("\n", " ").replace("\r", " ")
