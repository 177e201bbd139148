"""How a file is named in a message: relative where that is shorter to read."""

import os
from pathlib import Path


def shown(path: Path | str) -> str:
    """The path from the working directory when the file is in it, else the whole path."""
    path = Path(path)
    if path.is_relative_to(Path.cwd()):
        return os.path.relpath(path)
    return str(path)
