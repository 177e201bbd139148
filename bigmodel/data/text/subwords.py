"""Pieces of words, learnt from the training texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from annotated_types import Ge, Gt

from bigmodel.data.text.reader import Reader
from bigmodel.data.text.tokenizer import TokenizerVocabulary, need_tokenizers

__all__ = ["Subwords"]

BYTES = 256  # each is a token of its own: no character is unknown
_RARE = 2  # pairs that come less often are not joined


class Subwords(Reader):
    """Byte-pair encoding of bytes (Sennrich et al. 2016, arXiv 1508.07909), by `tokenizers`.

    Texts are normalised by NFKC and in lower case. `vocabulary` is the most subwords that are
    learnt; texts of any script can be written in them. The same texts give the same subwords.
    """

    def __init__(
        self,
        *,
        vocabulary: Annotated[int, Ge(BYTES)] = 8000,
        length: Annotated[int, Gt(0)] = 64,
    ) -> None:
        super().__init__(length)
        self.most = vocabulary

    def vocabulary(self, texts: list[str]) -> TokenizerVocabulary:
        """Learn the subwords."""
        need_tokenizers()
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

        tokenizer = Tokenizer(models.BPE())
        tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        trainer = trainers.BpeTrainer(
            vocab_size=self.most,
            min_frequency=_RARE,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        tokenizer.train_from_iterator(_present(texts), trainer)
        return TokenizerVocabulary(tokenizer, pretrained=False)


def _present(texts: list[str]) -> Iterator[str]:
    return (text for text in texts if text)
