"""Images in folders, or in a zip of such: which there are, of which class, for which split."""

import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from bigmodel.data.image.decode import SUFFIXES, ZipMember
from bigmodel.data.splits import TRAIN, named_parts
from bigmodel.data.texts import some
from bigmodel.errors import UserError

FILE, IMAGE = "file", "image"  # the columns of a table of images: where each is, and itself


@dataclass(frozen=True)
class Images:
    """What a folder or a zip holds: relative names in sorted order, and where to read each."""

    place: str
    names: list[str]
    sources: list[Path | ZipMember]
    others: list[str]  # files that are no images by their names

    @property
    def frame(self) -> pd.DataFrame:
        """The columns `file` and `image`."""
        return pd.DataFrame(
            {FILE: pd.Series(self.names, dtype="str"), IMAGE: pd.Series(self.sources, dtype=object)}
        )

    def where(self, name: str) -> str:
        """How to call one of them in a message."""
        joint = ": " if Path(self.place).is_file() else "/"
        return f"{self.place}{joint}{name}"


def holds_images(path: str | Path) -> bool:
    """Whether `path` is a folder with images in it, at any depth, or a zip of such."""
    place = Path(path).expanduser()
    return (place.is_dir() or _is_zip(place)) and bool(find_images(place).names)


def find_images(path: str | Path) -> Images:
    """All images below `path`; hidden files, and what macOS adds to a zip, do not count.

    Raises UserError when there is no such folder or zip, or when it is damaged.
    """
    place = Path(path).expanduser()
    if place.is_dir():
        names = [file.relative_to(place).as_posix() for file in place.rglob("*") if file.is_file()]
    elif _is_zip(place):
        try:
            with zipfile.ZipFile(place) as archive:
                names = [name for name in archive.namelist() if not name.endswith("/")]
        except (zipfile.BadZipFile, OSError) as error:
            raise UserError(f"{path}: damaged ({error}); get the file again") from error
    elif place.exists():
        raise UserError(f"{path}: neither a folder nor a zip; for a table set data.image=COLUMN")
    else:
        raise UserError(
            f"{path}: no such folder; correct the path (relative ones start at {Path.cwd()})"
        )
    shown = sorted(name for name in names if not _is_hidden(name))
    images = [name for name in shown if name.lower().endswith(SUFFIXES)]
    sources = [ZipMember(str(place), n) if place.is_file() else place / n for n in images]
    others = sorted(set(shown) - set(images))
    return Images(str(path), images, sources, others)


def labelled(images: Images, target: str, split: bool = True) -> dict[int, pd.DataFrame]:
    """The columns `file`, `image` and `target`, by split: a class is a folder.

    One folder around all the others is looked through. Folders that are called train, val and
    test (or synonyms), with class folders in them, are splits of their own; else, and without
    `split`, all images are under 0. Raises UserError when there is no class folder.
    """
    below = [PurePosixPath(name).parts for name in images.names]
    while below and len({parts[0] for parts in below}) == 1 and min(map(len, below)) > 2:
        below = [parts[1:] for parts in below]
    found = named_parts(pd.Series([parts[0] for parts in below], dtype="str"))
    if split and len(below) and min(map(len, below)) > 2 and TRAIN in found and (found >= 0).all():
        below = [parts[1:] for parts in below]
    else:
        found[:] = TRAIN
    loose = [name for name, parts in zip(images.names, below, strict=True) if len(parts) < 2]
    if loose or not below:
        what = f"{some(loose, 3)} is in no class folder" if loose else "there is no image in it"
        raise UserError(
            f"{images.place}: {what}; put the images of each class in a folder of its name"
        )
    frame = images.frame
    frame[target] = pd.Series([parts[0] for parts in below], dtype="str")
    return {part: frame[found == part].reset_index(drop=True) for part in sorted(set(found))}


def notes(images: Images) -> list[str]:
    """What was left out by rule."""
    if not images.others:
        return []
    suffixes = Counter(PurePosixPath(name).suffix or "none" for name in images.others)
    told = ", ".join(f"{suffix} {count:,}" for suffix, count in sorted(suffixes.items()))
    return [f"files that are no images by their suffix, not used: {told}"]


def _is_zip(place: Path) -> bool:
    return place.is_file() and zipfile.is_zipfile(place)


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))
