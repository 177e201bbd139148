"""Batch scoring: a table of any size in, a table of answers out, in constant memory."""

import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import pandas as pd
from annotated_types import Gt
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bigmodel.bundle.answers import answers_file, check_suffix
from bigmodel.bundle.load import Bundle, load
from bigmodel.data.reading import iter_frames
from bigmodel.data.threads import ahead
from bigmodel.errors import UserError

USAGE = """usage: bigmodel predict bundle=DIR_OR_ZIP input=FILE output=FILE [KEY=VALUE ...]

  input       a CSV or Parquet file (gz and zip too), a glob or a directory
  output      ends with .csv, .csv.gz or .parquet
  chunk_rows  rows in memory at a time
  threads     cores for the network; all by default
  prior       shares of the classes, where not those of training: prior={no: 9, yes: 1}"""
ROW = "row"  # the column of row numbers, from 0, in the answers to a table without ids


def predict(
    *,
    bundle: str,
    input: str,  # noqa: A002 (the name on the command line)
    output: str,
    chunk_rows: Annotated[int, Gt(0)] = 16_384,
    threads: Annotated[int, Gt(0)] | None = None,
    prior: Mapping[str, Annotated[float, Gt(0)]] | None = None,
) -> int:
    """Score the table `input` with a bundle and write the answers; returns the number of rows.

    `input` is a CSV or Parquet file (gz and zip too), a glob or a directory; `output` ends with
    .csv, .csv.gz or .parquet and appears only when all rows are answered. `chunk_rows` rows are
    in memory at a time; `threads` is the number of cores for the network (all by default).
    `prior` are the shares of the classes in this table, where they are not those of training.
    Raises UserError when the bundle or the table is wrong.
    """
    started = time.perf_counter()
    check_suffix(Path(output))
    if Path(input).exists() and Path(output).exists() and Path(input).samefile(output):
        raise UserError(f"output={output}: this is the input; give another name")
    opened = load(bundle, threads=threads)
    if prior is not None:
        opened = opened.with_prior(prior)
    rows = 0
    with _progress() as progress, answers_file(output) as append:
        task = progress.add_task("scoring", total=None, rows=0)
        for answer in _answers(opened, input, chunk_rows):
            append(answer)
            rows += len(answer)
            progress.update(task, rows=rows)
    seconds = time.perf_counter() - started
    print(f"{output}: {rows:,} rows scored in {seconds:.2f} s ({rows / seconds:,.0f} rows/s)")
    return rows


def main(argv: list[str]) -> int:
    """`bigmodel predict bundle=DIR input=FILE output=FILE`; returns the exit code."""
    if {"-h", "--help"} & set(argv):
        print(USAGE)
        return 0
    from bigmodel.config.compose import settings

    predict(**settings("predict", argv))
    return 0


def _answers(bundle: Bundle, path: str, chunk_rows: int) -> Iterator[pd.DataFrame]:
    """The answers, frame by frame; a table without id columns gets row numbers."""
    start = 0
    frames = ahead(iter_frames(path, bundle.schema, chunk_rows))
    for answer in map(bundle.score, frames):
        if not bundle.schema.ids:
            answer.insert(0, ROW, range(start, start + len(answer)))
        start += len(answer)
        yield answer


def _progress() -> Progress:
    """A line on standard error with the rows so far; nothing where there is no terminal."""
    console = Console(file=sys.stderr)
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}: {task.fields[rows]:,} rows"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
