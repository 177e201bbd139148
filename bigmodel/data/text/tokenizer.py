"""A vocabulary that is a tokenizer of the `tokenizers` library: plain JSON, fast, without torch."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bigmodel.data.text.encoding import EMPTY, FIRST, SEPARATOR, UNKNOWN
from bigmodel.errors import UserError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

OWN_FIRST = UNKNOWN + 1  # the first id of a pretrained tokenizer, which brings its own specials


def need_tokenizers() -> None:
    """Raise UserError unless the library is there."""
    if importlib.util.find_spec("tokenizers") is None:
        raise UserError('texts need the library tokenizers; pip install "bigmodel[text]"')


class TokenizerVocabulary:
    """The tokens of `tokenizer`; a token's id is `shift` more than the tokenizer's own.

    Texts are only texts: one that holds "[SEP]" does not get the id of a special token.
    """

    def __init__(self, tokenizer: Tokenizer, pretrained: bool) -> None:
        self._tokenizer, self._pretrained = tokenizer, pretrained
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._shift = OWN_FIRST if pretrained else FIRST
        self.size = 1 + self._shift + max(tokenizer.get_vocab().values(), default=-1)
        self.words = self.size
        self.start: tuple[int, ...] = ()
        self.end: tuple[int, ...] = ()
        self.separator: tuple[int, ...] = (SEPARATOR,)
        self.empty: tuple[int, ...] = (EMPTY,)
        if pretrained:
            self.start, self.end = self._around()
            self.separator, self.empty = self.end, () if self.start or self.end else (UNKNOWN,)
        tokenizer.encode_special_tokens = True

    def _around(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The special tokens that the tokenizer puts before and behind a text."""
        found = self._tokenizer.encode("a")
        ids = tuple(own + self._shift for own in found.ids)
        text = [place for place, special in enumerate(found.special_tokens_mask) if not special]
        return (ids[: text[0]], ids[text[-1] + 1 :]) if text else (ids, ())

    def ids(self, texts: list[str]) -> list[Sequence[int]]:
        """The ids of each text, without special tokens."""
        found = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [[own + self._shift for own in one.ids] for one in found]

    def state(self) -> dict[str, Any]:
        """The tokenizer as its library writes it."""
        return {"tokenizer": json.loads(self._tokenizer.to_str()), "pretrained": self._pretrained}

    @classmethod
    def from_state(cls, told: dict[str, Any]) -> TokenizerVocabulary:
        """Read what `state` gave; raises ValueError when it is no tokenizer."""
        return cls(tokenizer_of(json.dumps(told["tokenizer"])), bool(told["pretrained"]))


def tokenizer_of(content: str) -> Tokenizer:
    """The tokenizer of a `tokenizer.json`; raises ValueError, UserError without the library."""
    need_tokenizers()
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_str(content)
    except Exception as error:  # the library raises nothing narrower
        raise ValueError(f"not a tokenizer: {str(error)[:100]}") from error
