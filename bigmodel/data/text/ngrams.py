"""Sequences of words and of letters, the most frequent ones of the training texts."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

from annotated_types import Gt

from bigmodel.data.text.encoding import EMPTY, FIRST
from bigmodel.data.text.reader import Reader

__all__ = ["NGrams"]

WORDS, LETTERS = 2, (3, 5)  # the longest sequence of words; the shortest and longest of letters
_RARE = 2  # training texts: what comes in fewer says nothing of others
_WORD = re.compile(r"\w+|[^\w\s]")


class NGrams(Reader):
    """Up to 2 words in a row, and 3 to 5 letters of a word: the features of TF-IDF models.

    `vocabulary` is the most n-grams that are learnt, those in most training texts. Each n-gram
    of a text is one token, words first, whatever the number of times that it comes.
    """

    def __init__(
        self,
        *,
        vocabulary: Annotated[int, Gt(0)] = 50_000,
        length: Annotated[int, Gt(0)] = 512,
    ) -> None:
        super().__init__(length)
        self.most = vocabulary

    def vocabulary(self, texts: list[str]) -> "NGramVocabulary":
        """Count in how many texts the n-grams are."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(ngrams(text))
        known = [gram for gram, count in counts.items() if count >= _RARE]
        known.sort(key=lambda gram: (-counts[gram], gram))
        kept = sorted(known[: self.most], key=_of_letters)
        return NGramVocabulary(tuple(kept))


class NGramVocabulary:
    """These n-grams, in the order of their ids, words before letters; others are left out."""

    start: tuple[int, ...] = ()
    separator: tuple[int, ...] = ()
    end: tuple[int, ...] = ()
    empty: tuple[int, ...] = (EMPTY,)

    def __init__(self, grams: tuple[str, ...]) -> None:
        self.grams = grams
        self.size = FIRST + len(grams)
        self.words = FIRST + sum(not _of_letters(gram) for gram in grams)
        self._ids = {gram: index for index, gram in enumerate(grams, start=FIRST)}

    def ids(self, texts: list[str]) -> list[Sequence[int]]:
        """The ids of the n-grams of each text."""
        known = self._ids
        return [[known[gram] for gram in ngrams(text) if gram in known] for text in texts]

    def state(self) -> dict[str, Any]:
        """The n-grams."""
        return {"grams": list(self.grams)}

    @classmethod
    def from_state(cls, told: dict[str, Any]) -> "NGramVocabulary":
        """Read what `state` gave."""
        return cls(tuple(map(str, told["grams"])))


def _of_letters(gram: str) -> bool:
    return gram.endswith("\t")


def ngrams(text: str) -> list[str]:
    """The different n-grams of a text, words before letters.

    Sequences of letters start and end within a word, whose ends count as letters and are written
    as tabs: no word has one.
    """
    words = _WORD.findall(unicodedata.normalize("NFKC", text).lower())
    found = dict.fromkeys(words)
    for count in range(2, WORDS + 1):
        found |= dict.fromkeys(map(" ".join, zip(*(words[i:] for i in range(count)), strict=False)))
    for word in dict.fromkeys(words):
        letters = f"\t{word}\t"
        for count in range(LETTERS[0], LETTERS[1] + 1):
            for start in range(len(letters) - count + 1):
                found[f"{letters[start : start + count]}\t"] = None
    return list(found)
