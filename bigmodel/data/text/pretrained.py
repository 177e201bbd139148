"""The tokens of a pretrained model."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

from annotated_types import Gt

from bigmodel.data.text.reader import Reader
from bigmodel.data.text.tokenizer import TokenizerVocabulary, need_tokenizers, tokenizer_of
from bigmodel.errors import UserError

__all__ = ["Pretrained"]

FILE = "tokenizer.json"


class Pretrained(Reader):
    """The tokenizer that came with a pretrained model.

    `source` is a local folder with a `tokenizer.json`, the name of an installed package that
    carries a model, or a model's id at the Hugging Face hub. Nothing is learnt.
    """

    def __init__(self, source: str, *, length: Annotated[int, Gt(0)] = 128) -> None:
        super().__init__(length)
        self.content = _content(source)  # not the place: the cache's key has to follow it

    def vocabulary(self, texts: list[str]) -> TokenizerVocabulary:
        """That of the tokenizer; the texts add nothing."""
        return TokenizerVocabulary(tokenizer_of(self.content), pretrained=True)


def local(source: str) -> Path | None:
    """The folder that `source` stands for on this machine: its own, or a package's `model`."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    name = source.replace("-", "_")
    found = importlib.util.find_spec(name) if name.isidentifier() else None
    for place in (found.submodule_search_locations or []) if found else []:
        if (Path(place) / "model" / "config.json").is_file():
            return Path(place) / "model"
    return None


def _content(source: str) -> str:
    """The text of the tokenizer's file."""
    folder = local(source)
    if folder is None:
        return _from_hub(source)
    path = folder / FILE
    try:
        content = path.read_text(encoding="utf-8")
        tokenizer_of(content)
    except OSError as error:
        raise UserError(
            f"model.text.source={source}: there is no {FILE} in it; save the model's fast "
            "tokenizer there"
        ) from error
    except ValueError as error:
        raise UserError(f"{path}: {error}; get the file again") from error
    return content


def _from_hub(source: str) -> str:
    need_tokenizers()
    from tokenizers import Tokenizer

    try:
        return str(Tokenizer.from_pretrained(source).to_str())
    except Exception as error:  # the library raises nothing narrower
        raise UserError(
            f"model.text.source={source}: no folder, no installed package with a model, and not "
            f"from the hub ({str(error).splitlines()[0][:100]}); name another one"
        ) from error
