"""One version of a model, loaded and measured."""

from pathlib import Path
from typing import Any

import pandas as pd

from bigmodel.bundle import archive
from bigmodel.bundle.load import open_archive
from bigmodel.errors import UserError
from bigmodel.serving.errors import invalid


class Model:
    """A verified bundle that answers rows; it never changes, so requests share it freely."""

    def __init__(self, path: Path | str, name: str | None, threads: int) -> None:
        content = archive.read(path)
        self.bundle = open_archive(content, threads)
        self.name = name or self.bundle.manifest.name
        self.version = self.bundle.manifest.version
        self.card = content.files["CARD.md"]

    async def answer(self, rows: list[dict[str, Any]], parameters: Any) -> list[dict[str, Any]]:
        """The answer to each row. Raises ApiError 422 naming the first cell that does not fit."""
        try:
            answers = self.bundle.predict(pd.DataFrame(rows))
        except UserError as error:
            raise invalid(error.lines[0], "rows") from None
        return [{"prediction": value} for value in answers["prediction"].tolist()]
