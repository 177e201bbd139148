"""`bigmodel feedback export`: labelled rows of a service, as a table to train on."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from bigmodel.bundle.answers import answers_file, check_suffix
from bigmodel.bundle.postprocess import Postprocess
from bigmodel.config.suggest import closest
from bigmodel.data.reading import conform
from bigmodel.data.schema import Schema, Target
from bigmodel.errors import UserError
from bigmodel.serving import records
from bigmodel.serving.store import NAME

USAGE = """usage: bigmodel feedback export output=FILE [name=NAME] [state=DIR]

  output  ends with .parquet, .csv or .csv.gz
  name    of the model; needed when the service has had several
  state   the directory that the server keeps its state in"""
_DTYPES = {"numeric": "float64", "boolean": "boolean", "cost": "float64"}
_ROWS = 10_000  # in memory at a time, unless one request had more

_LABELLED = """
select l.request, p.rows, l.row, l.label from labels l join predictions p on p.id = l.request
where p.model = ? order by p.rowid, l.row"""


def export(output: str, name: str | None, state: str) -> int:
    """Write the rows that have a label, in the order in which they came; returns their number.

    The columns are those of the model's newest schema, in its dtypes, then the target. A server
    may be running. Raises UserError when there is no such model or no labelled row.
    """
    check_suffix(Path(output))
    path = Path(state) / NAME
    if not path.exists():
        raise UserError(f"{path}: is not there; name the server's directory with state=DIR")
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
        schema, model = _schema(db, name, path)
        rows = 0
        with answers_file(output) as append:
            for frame in _frames(db, model, schema):
                append(frame)
                rows += len(frame)
            if not rows:
                raise UserError(f"{path}: no prediction of the model {model!r} has a label yet")
    print(f"{output}: {rows:,} rows with labels")
    kind = "parquet" if output.endswith(".parquet") else "csv"
    print(f"bigmodel train data={kind} data.path={output} data.target={schema.target.name}")
    return rows


def main(argv: list[str]) -> int:
    """`bigmodel feedback export`; returns 0. Raises UserError on other words and settings."""
    if not argv or {"-h", "--help"} & set(argv):
        print(USAGE)
        return 0
    if argv[0] != "export":
        near = closest(argv[0], ["export"])
        raise UserError(f"command line: feedback {argv[0]}: no such word{near}")
    from bigmodel.config.compose import settings

    export(**settings("feedback", argv[1:]))
    return 0


def _schema(db: sqlite3.Connection, name: str | None, path: Path) -> tuple[Schema, str]:
    """The newest schema of the model, and its name, which may be left out when there is one."""
    found: dict[str, bytes] = dict(
        db.execute("select model, schema from versions order by rowid").fetchall()
    )
    name = next(iter(found), None) if name is None and len(found) < 2 else name
    if name is None or name not in found:
        names = ", ".join(found) or "none"
        raise UserError(f"name={name or '...'}: give one of the service's models: {names}")
    return Schema.from_json(orjson.loads(found[name])), name


def _frames(db: sqlite3.Connection, model: str, schema: Schema) -> Iterator[pd.DataFrame]:
    gone = _gone(db, model, schema.target)
    if any(column.kind == "image" for column in schema.columns):
        raise UserError(f"name={model}: the service stores no images, so there is nothing to train")
    rows: list[dict[str, Any]] = []
    labels: list[Any] = []
    known: str | None = None
    content: list[dict[str, Any]] = []
    for request, text, row, label in db.execute(_LABELLED, (model,)):
        if request != known:
            known, content = request, records.objects(text)
        rows.append(content[row])
        labels.append(orjson.loads(label))
        if len(rows) >= _ROWS:
            yield _frame(rows, labels, schema, gone)
            rows, labels = [], []
    if rows:
        yield _frame(rows, labels, schema, gone)


def _gone(db: sqlite3.Connection, model: str, target: Target) -> set[str]:
    """The classes that older versions had, and the newest has not."""
    schemas = db.execute("select schema from versions where model = ?", (model,)).fetchall()
    older = (Schema.from_json(orjson.loads(text)).target.classes for (text,) in schemas)
    return {name for classes in older for name in classes} - set(target.classes)


def _frame(
    rows: list[dict[str, Any]], labels: list[Any], schema: Schema, gone: set[str]
) -> pd.DataFrame:
    """The rows with the schema's columns and dtypes; what was not sent or stored is missing.

    The dtypes are those that have room for a missing value, so that all frames have the same.
    """
    names = [column.name for column in schema.columns]
    frame = conform(pd.DataFrame(rows).reindex(columns=names), schema)
    frame = frame.astype({c.name: _DTYPES[c.kind] for c in schema.columns if c.kind in _DTYPES})
    target = schema.target
    if target.task == "regression":
        frame[target.name] = pd.Series(labels, dtype="float64")
        return frame
    kept = [label not in gone for label in labels]
    named = [label for label in labels if label not in gone]
    new = tuple(dict.fromkeys(label for label in named if label not in target.classes))
    post = Postprocess(target).widened(new)  # some models take new classes while they serve
    frame = frame[kept].reset_index(drop=True)
    frame[target.name] = post.labels(pd.Index(post.target.classes).get_indexer(pd.Index(named)))
    return frame
