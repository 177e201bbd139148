"""Texts to train on, as a Lightning data module."""

from collections.abc import Mapping
from typing import Any

from bigmodel.data.columns import check_names
from bigmodel.data.reading import RawTable, read_frame
from bigmodel.data.schema import Kind
from bigmodel.data.tables import FileData
from bigmodel.data.text import folder
from bigmodel.errors import UserError

__all__ = ["TextData"]


class TextData(FileData):
    """Texts with a target: columns of a CSV or Parquet table, or a folder `<class>/*.txt`.

    Of a table, only `column` (one or several) feeds the network; take data=csv to read texts
    beside numbers and categories. A folder needs neither `column` nor `target`: each file is a
    row, whose class is the folder that it is in. Texts are taken literally: "NA" is one.
    """

    def __init__(
        self,
        path: str,
        *,
        column: str | list[str] | None = None,
        target: str | None = None,
        id: str | list[str] | None = None,  # noqa: A002 (the name in the config)
        kinds: Mapping[str, Kind] | None = None,
        separator: str | None = None,
        encoding: str | None = None,
        **table: Any,
    ) -> None:
        self.folder = folder.has_classes(path)
        if self.folder:
            column, target, id = folder.TEXT, folder.LABEL, folder.FILE  # noqa: A001
        if column is None or target is None:
            raise UserError(
                f"{path}: a table needs data.column= (its texts) and data.target= (what to "
                "predict); texts of a folder stand in FOLDER/CLASS/NAME.txt"
            )
        self.columns = [column] if isinstance(column, str) else list(column)
        texts: dict[str, Kind] = dict.fromkeys(self.columns, "text")
        super().__init__(path, target=target, id=id, kinds={**(kinds or {}), **texts}, **table)
        self.separator, self.encoding = separator, encoding

    def options(self) -> dict[str, Any]:
        """What decides how the files are read."""
        if self.folder:
            return {"encoding": self.encoding}
        kinds = self.settings.kinds
        as_text = [name for name, kind in kinds.items() if kind in ("categorical", "text")]
        return {"separator": self.separator, "encoding": self.encoding, "as_text": as_text}

    def made_from(self) -> dict[str, Any]:
        """The texts of a folder by their names and times: there may be many."""
        if not self.folder:
            return super().made_from() | {"columns": self.columns}
        stamps = {part: folder.stamps(place) for part, place in self.paths.items()}
        return {"folders": stamps, "options": self.options(), "settings": self.settings}

    def tables(self) -> dict[int, RawTable]:
        """The texts, their target, and what splits or weighs them."""
        return {part: self._table(place) for part, place in self.paths.items()}

    def _table(self, place: str) -> RawTable:
        if self.folder:
            frame = folder.read(place, self.encoding)
            return RawTable(frame, lambda row: f"{place}/{frame[folder.FILE].iloc[row]}", place)
        settings = self.settings
        table = read_frame(place, skip=settings.drop, **self.options())
        header = [str(name) for name in table.frame.columns]
        check_names(self.columns, header, f"{place}: data.column")
        kept = {*self.columns, settings.target, *settings.ids, *settings.side}
        kept |= {settings.split.column or settings.target}
        named = [name for name in header if name in kept or name in settings.drop]
        return RawTable(table.frame[named], table.place, table.name)
