"""Images that a config can name: folders of classes, zips of such, tables with a column of paths.

From here on an image is a column like any other; what is special is where the rows come from.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Gt, Le, Len

from bigmodel.data.image.folder import FILE, IMAGE, find_images, labelled, notes
from bigmodel.data.image.frames import resolved
from bigmodel.data.image.table import ImageSettings
from bigmodel.data.reading import RawTable, read_frame
from bigmodel.data.sources import parts
from bigmodel.data.splits import TRAIN
from bigmodel.data.tables import FileData
from bigmodel.data.texts import closest
from bigmodel.errors import UserError

__all__ = ["ImageData"]

Side = Annotated[int, Gt(0), Le(4096)]


class ImageData(FileData):
    """Images of classes: `path` is a folder of class folders, or a zip of such.

    Folders train, val and test around the class folders are ready-made splits. With `image`,
    `path` is a CSV or Parquet table whose column of that name holds paths, relative to the table;
    its other columns are features. Images are fitted into `size` (a side, or height and width) and
    have 1 or 3 `channels`; both are decided by the images unless given.
    """

    def __init__(
        self,
        path: str,
        *,
        target: str = "class",
        image: str | None = None,
        size: Side | Annotated[list[Side], Len(2, 2)] | None = None,
        channels: Literal[1, 3] | None = None,
        **table: Any,
    ) -> None:
        own: dict[str, Any] = {"kinds": {}, "id": None} | table
        ids = [own["id"]] if isinstance(own["id"], str) else list(own["id"] or [])
        own["kinds"] = dict(own["kinds"] or {}) | {image or IMAGE: "image", FILE: "id"}
        super().__init__(path, target=target, **(own | {"id": ids}))
        self.image = image
        height_width = None if size is None else (size, size) if isinstance(size, int) else size
        sides = None if height_width is None else (int(height_width[0]), int(height_width[1]))
        self.settings = self.settings.with_images(ImageSettings(image or IMAGE, sides, channels))

    def tables(self) -> dict[int, RawTable]:
        """The tables of the splits that are ready-made; their cells say where the images are."""
        found: dict[int, RawTable] = {}
        for part, place in self.paths.items():
            if self.image is not None:
                found[part] = self._table(place)
            elif part == TRAIN:
                found |= self._folders(place)
            else:
                found[part] = self._folders(place, split=False)[TRAIN]
        return dict(sorted(found.items()))

    def sources(self) -> dict[int, list[Path | tuple[Path, ...]]]:
        """The files that the tables are made of; many images count as one."""
        if self.image is None:
            return {part: [_files(place)] for part, place in self.paths.items()}
        found: dict[int, list[Path | tuple[Path, ...]]] = {}
        for part, place in self.paths.items():
            cells = self._table(place).frame[self.image]
            images = sorted({cell for cell in cells if isinstance(cell, Path) and cell.is_file()})
            found[part] = [*parts(place), tuple(images)]
        return found

    def _folders(self, place: str, split: bool = True) -> dict[int, RawTable]:
        images = find_images(place)
        frames = labelled(images, self.settings.target, split)
        found, told = {}, tuple(notes(images))
        for part, frame in frames.items():
            where = lambda row, of=frame[FILE]: images.where(of.iloc[row])  # noqa: E731
            found[part], told = RawTable(frame, where, place, told), ()
        return found

    def _table(self, place: str) -> RawTable:
        assert self.image is not None
        raw = read_frame(place, as_text=[self.image])
        if self.image not in raw.frame:
            near = closest(self.image, list(map(str, raw.frame.columns)))
            hint = f"did you mean {near!r}?" if near else "name the column of paths"
            raise UserError(f"data.image: {place} has no column {self.image!r}; {hint}")
        paths = raw.frame[self.image].astype("str")
        frame = raw.frame if FILE in raw.frame else raw.frame.assign(**{FILE: paths})
        frame = frame.assign(**{self.image: resolved(paths, Path(parts(place)[0]))})
        return RawTable(frame, raw.place, raw.name)


def _files(place: str) -> Path | tuple[Path, ...]:
    found: Sequence[Any] = find_images(place).sources
    path = Path(place).expanduser()
    return tuple(found) if path.is_dir() else path
