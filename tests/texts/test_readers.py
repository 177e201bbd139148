"""Readers: valid ids for any text, the same ids wherever they are made, nothing lost on the way."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from corpus import reviews
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from bigmodel.data.encoder import Encoder
from bigmodel.data.text.encoding import EMPTY, FIRST, PADDING, SEPARATOR, TextEncoding
from bigmodel.data.text.ngrams import NGrams
from bigmodel.data.text.pretrained import Pretrained
from bigmodel.data.text.reader import Reader
from bigmodel.data.text.subwords import Subwords
from bigmodel.errors import UserError

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "soup", "was", "cold"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the tokenizer of a model such as BERT, which cuts and fills up by itself."""
    vocabulary = {word: code for code, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(WORDS[:4])
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=5)
    path = tmp_path_factory.mktemp("pretrained")
    tokenizer.save(str(path / "tokenizer.json"))
    return path


@pytest.fixture(scope="module", params=["subwords", "ngrams", "pretrained"])
def reader(request, folder) -> Reader:
    made = {
        "subwords": lambda: Subwords(vocabulary=400, length=16),
        "ngrams": lambda: NGrams(vocabulary=400, length=16),
        "pretrained": lambda: Pretrained(str(folder), length=16),
    }
    return made[request.param]()


@pytest.fixture(scope="module")
def encoding(reader) -> TextEncoding:
    return reader.fit({"review": reviews()["review"]})


def one(encoding: TextEncoding, *texts: str | None) -> np.ndarray:
    return encoding.transform(pd.DataFrame({"review": pd.Series(texts, dtype="str")}))


texts = st.lists(st.one_of(st.none(), st.text(max_size=40)), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(rows=texts)
def test_any_texts_get_valid_ids_and_the_same_alone(encoding, rows):
    tokens = one(encoding, *rows)
    assert tokens.shape == (len(rows), encoding.length)
    assert tokens.dtype == np.int32
    assert ((tokens >= 0) & (tokens < encoding.vocabulary.size)).all()
    assert (tokens[:, 0] != PADDING).all()  # no text is all padding
    there = tokens != PADDING
    assert (there[:, :-1] | ~there[:, 1:]).all()  # padding comes last
    for row, text in enumerate(rows):
        np.testing.assert_array_equal(one(encoding, text)[0], tokens[row])


def test_the_state_is_json_and_gives_the_same_ids(encoding):
    encoder = Encoder((), (), encoding)
    meta, arrays = encoder.state()
    again = Encoder.from_state(json.loads(json.dumps(meta)), arrays)
    frame = reviews(seed=1)
    np.testing.assert_array_equal(again.transform(frame).tokens, encoder.transform(frame).tokens)
    assert again.text.vocabulary.size == encoding.vocabulary.size


def test_missing_and_empty_are_the_same_and_very_long_is_cut(encoding):
    missing, empty, spaces, long = one(encoding, None, "", "  ", "the soup was cold " * 50_000)
    np.testing.assert_array_equal(missing, empty)
    np.testing.assert_array_equal(missing, spaces)
    assert (long != PADDING).sum() == encoding.length or len(set(long)) > 4


def test_a_texts_own_special_tokens_are_only_text(encoding):
    row = one(encoding, "soup [PAD] [SEP] cold")[0]
    assert PADDING not in row[: (row != PADDING).sum()]
    assert not {SEPARATOR, EMPTY} & set(row) or encoding.vocabulary.start


def test_upper_case_and_wide_letters_are_the_same_as_plain_ones():
    for made in (Subwords(vocabulary=400, length=16), NGrams(length=64)):
        found = made.fit({"review": reviews()["review"]})
        plain, upper, wide = one(
            found, "the soup was", "THE SOUP WAS", "\uff54\uff48\uff45 soup was"
        )
        np.testing.assert_array_equal(plain, upper)
        np.testing.assert_array_equal(plain, wide)


@pytest.mark.parametrize("kind", ["subwords", "ngrams"])
def test_no_right_to_left_script_is_unknown(kind):
    made = {"subwords": Subwords(vocabulary=400), "ngrams": NGrams()}[kind]
    found = made.fit({"review": reviews()["review"]})
    rows = one(found, "טעים", "נורא", "شهي")
    assert len({tuple(row) for row in rows}) == 3
    assert (rows[:, 0] >= FIRST).all()


def test_two_columns_share_the_length_and_short_ones_leave_room():
    frame = pd.DataFrame({"title": ["a b"] * 9, "body": ["c d e f g h i j k l m n o p q"] * 9})
    found = Subwords(vocabulary=256, length=20).fit(dict(frame.items()))
    assert found.length == 20
    assert found.shares == (4, 15)  # bytes: a space comes with each letter
    row = found.transform(frame)[0]
    assert row[4] == SEPARATOR
    assert (row != PADDING).all()


def test_short_texts_need_no_more_columns_than_they_have_tokens():
    found = Subwords(vocabulary=300, length=512).fit({"review": reviews()["review"]})
    assert found.length < 100


def test_a_pretrained_tokenizer_frames_each_row_with_its_own_tokens(folder):
    found = Pretrained(str(folder), length=16).fit({"review": reviews()["review"]})
    row = one(found, "the soup was cold")[0]
    own = [int(code) - 2 for code in row if code]
    assert [WORDS[code] for code in own] == ["[CLS]", "the", "soup", "was", "cold", "[SEP]"]


def test_the_same_texts_give_the_same_subwords_in_another_process():
    script = (
        "from bigmodel.data.text.subwords import Subwords\n"
        "from corpus import reviews\n"
        "import hashlib, json\n"
        "found = Subwords(vocabulary=400).fit({'review': reviews()['review']})\n"
        "print(hashlib.sha256(json.dumps(found.state()).encode()).hexdigest())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=Path(__file__).parent,
            check=True,
            capture_output=True,
        ).stdout
        for _ in range(2)
    }
    assert len(said) == 1


def test_no_room_for_all_columns_is_one_line():
    columns = {f"c{i}": pd.Series(["a text"] * 3, dtype="str") for i in range(5)}
    with pytest.raises(UserError, match=r"model\.text\.length=6: too short for 5 text columns"):
        Subwords(vocabulary=256, length=6).fit(columns)


@pytest.mark.parametrize("content", [None, "{", "{}"])
def test_a_folder_without_a_tokenizer_is_one_line(tmp_path, content):
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(UserError) as caught:
        Pretrained(str(tmp_path))
    assert len(caught.value.lines) == 1
    assert str(tmp_path) in caught.value.lines[0]
