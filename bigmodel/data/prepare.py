"""From raw tables to what a fit needs: schema, encoder, encoded rows, splits, summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bigmodel.data.assign import assign_parts, group_codes, row_notes, split_column, thin, used_rows
from bigmodel.data.columns import check_names, find_columns
from bigmodel.data.encoder import Encoded, Encoder
from bigmodel.data.image.table import ImageSettings, pictures
from bigmodel.data.labels import encode_labels, stacked_labels, understand_target
from bigmodel.data.learn import learn_column
from bigmodel.data.quality import summarise
from bigmodel.data.reading import RawTable, check_columns, conform_columns
from bigmodel.data.schema import Column, Kind, Schema, Task
from bigmodel.data.side import side_columns, side_notes
from bigmodel.data.splits import NAMES, ROW_ORDER, TRAIN, Parts, Split
from bigmodel.data.target import Labels, with_scale
from bigmodel.data.text.reader import Reader, read_texts
from bigmodel.data.texts import compact, plain
from bigmodel.data.threads import in_threads
from bigmodel.errors import UserError
from bigmodel.files import atomic

if TYPE_CHECKING:
    from bigmodel.data.long_tail import LongTail

SAMPLE_ROWS = 32


@dataclass(frozen=True)
class Settings:
    """What decides how a table is prepared, besides its rows."""

    target: str
    task: Task | None
    split: Split
    long_tail: LongTail | None
    seed: int
    drop: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    quality: bool = True
    side: tuple[str, ...] = ()  # columns that weigh the rows
    request: tuple[str, ...] = ()  # those of them that a prediction needs, too
    text: Reader | None = None  # how the model reads text columns, if it does
    images: ImageSettings | None = None

    def told_kinds(self) -> dict[str, Kind]:
        """The kinds that are not inferred; a column of costs feeds the network only by word."""
        costs: dict[str, Kind] = dict.fromkeys(self.request, "cost")
        return costs | dict(self.kinds)

    def with_images(self, images: ImageSettings) -> Settings:
        """The same for a table with a column of images."""
        return replace(self, images=images)


@dataclass(frozen=True)
class Prepared:
    """A table ready for training; the raw rows are gone, but for a small sample.

    inputs: the encoded rows, target (n,) int64 codes or float32 standardised values, split (n,)
    int8: 0 train, 1 val, 2 test, -1 unused, side (n, k) float64: the raw numbers of the columns
    `side_names`, which weigh the rows. group (n,) int32: which rows belong together, where the
    split is by groups; else (0,). `sample` are up to 32 raw rows in the schema's dtypes.
    """

    schema: Schema
    encoder: Encoder
    inputs: Encoded
    target: Labels
    split: Parts
    group: NDArray[np.int32]
    side: NDArray[np.float64]
    side_names: tuple[str, ...]
    quality: dict[str, Any]
    sample: pd.DataFrame

    def rows(self, part: int) -> NDArray[np.int64]:
        """The positions of a part's rows, in the table's order."""
        return np.flatnonzero(self.split == part)


def prepare(tables: Mapping[int, RawTable], settings: Settings) -> Prepared:
    """Prepare a table; `tables` holds the main one under 0, ready-made val and test under 1, 2.

    Everything is learnt from the rows of the train split only. Raises UserError when the rows or
    the settings do not allow a fit.
    """
    main, split = tables[TRAIN], settings.split
    _check_settings(main, settings)
    used = used_rows(tables, split)
    images = pictures(tables, settings.images)
    if images is not None:
        used &= images.sound
    labels = stacked_labels(tables, settings.target, used)
    target = understand_target(tables, labels, used, settings.task)
    left_out = {target.name, *settings.drop, split_column(split) or target.name, *settings.side}
    kinds = settings.told_kinds()
    columns, notes = find_columns(
        main, left_out - kinds.keys(), settings.ids, kinds, settings.text is not None
    )
    notes += side_notes(settings.side, kinds)
    encoded = encode_labels(tables, labels, used, target)
    sound = images.sound if images is not None else None
    parts = assign_parts(tables, encoded, target, split, settings.seed, sound)
    if target.task == "regression":
        target = with_scale(target, labels[parts == TRAIN])
        encoded = encode_labels(tables, labels, used, target)
    if settings.long_tail is not None:
        parts = thin(settings.long_tail, encoded, target, parts, settings.seed)
    notes += row_notes(encoded, target, parts, split, kinds.keys())
    frame = _stacked([_conformed(table, columns) for table in tables.values()])
    if images is not None:
        notes = [*images.notes, *(note for t in tables.values() for note in t.notes), *notes]
        columns = tuple(replace(c, shape=images.shape) if c.kind == "image" else c for c in columns)
    train = np.flatnonzero(parts == TRAIN)
    learnt = in_threads(lambda column: learn_column(column, frame[column.name], train), columns)
    schema = Schema(tuple(column for column, _ in learnt), target, settings.drop)
    text = read_texts(settings.text, schema.columns, frame, train)
    encoder = Encoder.of((encoding for _, encoding in learnt), text)
    quality: dict[str, Any] = {"notes": notes}
    if settings.quality:
        shown = frame if images is None else images.as_texts(frame)
        quality = summarise(shown, schema, encoded, parts, notes)
    sample = frame.iloc[train[:SAMPLE_ROWS]]
    return Prepared(
        schema,
        encoder,
        encoder.transform(frame, images.pixels if images is not None else None),
        target=encoded,
        split=parts,
        group=group_codes(tables, split),
        side=side_columns(tables, settings.side),
        side_names=settings.side,
        quality=quality,
        sample=(images.self_contained(sample) if images is not None else sample)
        .apply(plain)
        .reset_index(drop=True),
    )


def write_splits(prepared: Prepared, weight: NDArray[np.floating], path: Path | str) -> None:
    """Write what each row was used for: `row` (from 0), `split`, `weight` (n,), as Parquet."""
    names = np.array([*NAMES, "unused"])  # -1 is the last
    table = pd.DataFrame(
        {
            "row": np.arange(len(prepared.split), dtype=np.int64),
            "split": pd.Series(names[prepared.split], dtype="str"),
            "weight": weight.astype(np.float32),
        }
    )
    with atomic(path) as file:
        table.to_parquet(file, index=False)


def _check_settings(main: RawTable, settings: Settings) -> None:
    """Every column that a setting names is there."""
    header = [str(name) for name in main.frame.columns]
    check_names([settings.target], header, "data.target")
    check_names(settings.drop, header, "data.drop")
    check_names(settings.ids, header, "data.id")
    check_names(list(settings.kinds), header, "data.kinds")
    check_names(settings.side, header, "weighting")
    for name, kind in settings.kinds.items():
        if kind == "image" and (settings.images is None or name != settings.images.column):
            raise UserError(
                f"data.kinds.{name}=image: name the one column of images with data=images "
                f"data.image={name}"
            )
    split = settings.split
    split.check()
    if split.column is not None and not (split.by == "time" and split.column == ROW_ORDER):
        check_names([split.column], header, "data.split.column")
    if settings.target in settings.side:
        raise UserError(f"weighting: {settings.target!r} is the target; name another column")
    if settings.target in (*settings.drop, *settings.ids, *settings.kinds):
        raise UserError(
            f"data.target: {settings.target!r} is also in data.drop, data.id or data.kinds; "
            "take it out there"
        )


def _conformed(table: RawTable, columns: Sequence[Column]) -> pd.DataFrame:
    check_columns(list(map(str, table.frame.columns)), columns, table.name)
    return conform_columns(table.frame, columns, table.place, trained=False)


def _stacked(frames: list[pd.DataFrame]) -> pd.DataFrame:
    if len(frames) == 1:
        return frames[0]
    return pd.concat([frame.apply(plain) for frame in frames], ignore_index=True).apply(compact)
