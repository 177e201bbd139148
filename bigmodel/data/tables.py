"""The tables that a config can name, as Lightning data modules."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from annotated_types import Gt
from pytorch_lightning import LightningDataModule

from bigmodel.config.runtime import Runtime
from bigmodel.data import embedded
from bigmodel.data.augment.augment import Augment
from bigmodel.data.batch import Batch
from bigmodel.data.cache import cached, folder
from bigmodel.data.fingerprint import fingerprint
from bigmodel.data.loader import EpochDraws, TensorLoader
from bigmodel.data.long_tail import LongTail
from bigmodel.data.prepare import Prepared, Settings, prepare
from bigmodel.data.reading import RawTable, read_frame
from bigmodel.data.schema import Kind
from bigmodel.data.sources import parts
from bigmodel.data.spec import ModelSpec
from bigmodel.data.splits import TEST, TRAIN, VAL, Split
from bigmodel.data.text.reader import Reader

__all__ = ["CsvData", "ParquetData", "SklearnData"]

_EVALUATION_BATCH = 4096  # rows: without gradients, larger batches only save time
_WIDE_BATCH = 256  # the same where a row is a text or an image: activations take memory


class TableData(LightningDataModule):
    """A table, split and encoded; subclasses say where its rows come from.

    `target` names the column to predict and `task` what kind of prediction that is. `kinds` maps
    columns to kinds where the inferred ones are wrong; `id` columns are copied to predictions,
    `drop` columns are left out. `split` and `long_tail` say which rows train, `quality` whether
    the table is summarised. `batch_size` counts the rows of all processes together. `side` and
    `request` are the columns that the weighting needs, in training and at prediction; `text` is
    how the model reads text columns.

    `draws` and `augment`, set before the fit, weigh, order and change the training rows.
    """

    def __init__(
        self,
        *,
        target: str,
        task: Literal["auto", "binary", "multiclass", "regression"] = "auto",
        id: str | list[str] | None = None,  # noqa: A002 (the name in the config)
        drop: list[str] | None = None,
        kinds: Mapping[str, Kind] | None = None,
        split: Split | None = None,
        long_tail: LongTail | None = None,
        batch_size: Annotated[int, Gt(0)] = 256,
        quality: bool = True,
        seed: int = 0,
        side: Annotated[tuple[str, ...], Runtime()] = (),
        request: Annotated[tuple[str, ...], Runtime()] = (),
        text: Annotated[Reader | None, Runtime()] = None,
    ) -> None:
        super().__init__()
        self.settings = Settings(
            target=target,
            task=None if task == "auto" else task,
            split=split or Split(),
            long_tail=long_tail,
            seed=seed,
            drop=tuple(drop or ()),
            ids=(id,) if isinstance(id, str) else tuple(id or ()),
            kinds=dict(kinds or {}),
            quality=quality,
            side=side,
            request=request,
            text=text,
        )
        self.batch_size = batch_size
        self.draws: EpochDraws | None = None
        self.augment: Augment | None = None
        self._prepared: Prepared | None = None

    def take(self, prepared: Prepared) -> None:
        """Use a table that was read, split and encoded before, with the same settings."""
        self._prepared = prepared

    @abstractmethod
    def tables(self) -> dict[int, RawTable]:
        """The raw table under 0, and ready-made val and test tables under 1 and 2."""

    def setup(self, stage: str | None = None) -> None:
        """Read, split and encode the table, once."""
        if self._prepared is None:
            self._prepared = self.prepare()

    def prepare(self) -> Prepared:
        """The encoded table, made from `tables`."""
        return prepare(self.tables(), self.settings)

    @property
    def prepared(self) -> Prepared:
        """The encoded table; reads it when that has not happened yet."""
        self.setup()
        assert self._prepared is not None
        return self._prepared

    @property
    def spec(self) -> ModelSpec:
        """What a network has to know."""
        prepared = self.prepared
        spec = ModelSpec.of(prepared.schema, prepared.encoder, len(prepared.rows(TRAIN)))
        return replace(spec, table=prepared)

    def tensors(self) -> Batch:
        """All rows of the table, of whatever part."""
        prepared = self.prepared
        inputs = {name: torch.from_numpy(a) for name, a in prepared.inputs.named().items()}
        return Batch(inputs, torch.from_numpy(prepared.target))

    def train_dataloader(self) -> TensorLoader:
        """Shuffled batches of the train split."""
        return self._loader(TRAIN, self.batch_size, shuffle=True)

    def val_dataloader(self) -> TensorLoader:
        """The validation split, in the table's order."""
        return self.in_order(VAL)

    def test_dataloader(self) -> TensorLoader:
        """The test split, in the table's order."""
        return self.in_order(TEST)

    def in_order(self, part: int) -> TensorLoader:
        """All rows of a part (`TRAIN`, `VAL`, `TEST`), in the table's order, in large batches."""
        inputs = self.prepared.inputs
        wide = inputs.tokens is not None or inputs.image is not None
        return self._loader(part, max(self.batch_size, _WIDE_BATCH if wide else _EVALUATION_BATCH))

    def _loader(self, part: int, batch_size: int, shuffle: bool = False) -> TensorLoader:
        prepared, trainer = self.prepared, self.trainer
        return TensorLoader(
            self.tensors(),
            batch_size,
            seed=self.settings.seed,
            shuffle=shuffle,
            drop_last=shuffle,
            rank=trainer.global_rank if trainer else 0,
            world_size=trainer.world_size if trainer else 1,
            rows=torch.from_numpy(prepared.rows(part)),
            draws=self.draws if shuffle else None,
            augment=self.augment if shuffle else None,
        )

    def state_dict(self) -> dict[str, Any]:
        """The weights of the training rows, for the checkpoint."""
        return {} if self.draws is None else self.draws.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the weights of a checkpoint."""
        if self.draws is not None:
            self.draws.load_state_dict(state_dict)


class FileData(TableData):
    """A table in files: `path` is a file (gz and zip too), a glob or a directory of parts.

    `val_path` and `test_path` are ready-made splits. With `cache`, the encoded table is kept and
    used again as long as the files, the settings and our code are the same.
    """

    def __init__(
        self,
        path: str,
        *,
        val_path: str | None = None,
        test_path: str | None = None,
        cache: bool = True,
        **table: Any,
    ) -> None:
        super().__init__(**table)
        given = {TRAIN: path, VAL: val_path, TEST: test_path}
        self.paths = {part: place for part, place in given.items() if place is not None}
        self.cache = cache

    def prepare(self) -> Prepared:
        """From the cache, or else from the files."""
        if not self.cache:
            return super().prepare()
        made_from = self.made_from()
        tables: Mapping[int, Sequence[Path | tuple[Path, ...]]] = made_from.get("tables", {})
        made_from["tables"] = {part: len(found) for part, found in tables.items()}
        files = [path for found in tables.values() for path in found]
        return cached(fingerprint(files, made_from, folder() / "files"), super().prepare)

    def made_from(self) -> dict[str, Any]:
        """What decides the encoded table: the files under "tables", by part, and the settings."""
        return {
            "tables": self.sources(),
            "options": self.options(),
            "settings": self.settings,
        }

    def sources(self) -> Mapping[int, Sequence[Path | tuple[Path, ...]]]:
        """The files of each table; those in a tuple count as one."""
        return {part: parts(place) for part, place in self.paths.items()}

    def options(self) -> dict[str, Any]:
        """What decides how the files are read."""
        return {}

    def tables(self) -> dict[int, RawTable]:
        """The files, read whole."""
        drop = [name for name in self.settings.drop if name not in self.settings.side]
        return {
            part: read_frame(place, skip=drop, **self.options())
            for part, place in self.paths.items()
        }


class CsvData(FileData):
    """A CSV table; `separator` and `encoding` are detected unless given."""

    def __init__(
        self, path: str, *, separator: str | None = None, encoding: str | None = None, **table: Any
    ) -> None:
        super().__init__(path, **table)
        self.separator, self.encoding = separator, encoding

    def options(self) -> dict[str, Any]:
        """What decides how the files are read."""
        kinds = self.settings.kinds
        return {
            "separator": self.separator,
            "encoding": self.encoding,
            "as_text": [name for name, kind in kinds.items() if kind in ("categorical", "text")],
        }


class ParquetData(FileData):
    """A Parquet table."""


class SklearnData(TableData):
    """A data set that comes with scikit-learn, as a table."""

    def __init__(
        self, name: Literal["digits", "breast_cancer", "wine", "diabetes"], **table: Any
    ) -> None:
        super().__init__(**table)
        self.dataset = name

    def tables(self) -> dict[int, RawTable]:
        """The data set; its target is called `target`."""
        return {TRAIN: embedded.read(self.dataset)}
