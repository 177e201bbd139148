"""Where texts come from: columns, folders, other encodings; and that they are read once."""

import threading

import pandas as pd
import pytest
from corpus import SMALL, reviews

import bigmodel
from bigmodel.data.splits import TRAIN
from bigmodel.data.text.ngrams import NGrams
from bigmodel.data.text.subwords import Subwords
from bigmodel.data.text.table import TextData
from bigmodel.errors import UserError
from bigmodel.predict import predict


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BIGMODEL_CACHE", str(tmp_path / "cache"))
    yield
    for thread in threading.enumerate():
        if thread.name == "cache":
            thread.join()


@pytest.fixture
def corpus(tmp_path):
    """A folder of texts in two classes, one file in another encoding and one empty."""
    frame = reviews(80).fillna("")
    for row, (text, opinion) in enumerate(frame.itertuples(index=False)):
        place = tmp_path / "corpus" / opinion
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{row:03d}.txt").write_text(text, encoding="utf-8")
    (tmp_path / "corpus" / "good" / "001b.txt").write_bytes("café très bon".encode("cp1252"))
    return tmp_path / "corpus"


def test_a_folder_trains_and_a_new_one_is_predicted(corpus, fit, here):
    result = fit("data=text", f"data.path={corpus}", "model=bag_of_ngrams", *SMALL["bag_of_ngrams"])
    (here / "new").mkdir()
    (here / "new" / "one.txt").write_text("the soup was lovely and warm")
    (here / "new" / "two.txt").write_text("the soup was awful and cold")
    predict(bundle=str(result.bundle), input="new", output="answers.csv")
    answers = pd.read_csv("answers.csv")
    assert answers["file"].tolist() == ["one.txt", "two.txt"]
    assert answers["prediction"].tolist() == ["good", "bad"]
    from bigmodel.evaluate import Labelled, evaluate

    assert evaluate(str(result.bundle), Labelled(str(corpus)))["rows"] == 81


def test_na_stays_text_and_other_columns_stay_out(table, tmp_path):
    path = tmp_path / "wide.csv"
    pd.read_csv(table, keep_default_na=False).assign(leak=range(240)).to_csv(path, index=False)
    data = TextData(
        str(path), column="review", target="opinion", text=NGrams(length=64), cache=False
    )
    prepared = data.prepared
    assert [column.name for column in prepared.schema.columns] == ["review"]
    assert prepared.inputs.numeric.shape[1] == 0
    missing, na = prepared.inputs.tokens[[5, 6]]
    assert (missing != na).any()


def test_parquet_and_csv_give_the_same_tokens(table, tmp_path):
    reviews().to_parquet(tmp_path / "reviews.parquet")
    found = [
        TextData(str(path), column="review", target="opinion", text=Subwords(vocabulary=300))
        for path in (table, tmp_path / "reviews.parquet")
    ]
    first, second = (data.prepared.inputs.tokens for data in found)
    assert (first == second).all()


def test_western_encodings_are_found(tmp_path):
    frame = reviews().fillna("leer").replace(r"[^\x00-\xff]+", "é", regex=True)
    path = tmp_path / "western.csv"
    path.write_bytes(frame.to_csv(index=False).encode("cp1252"))
    data = TextData(str(path), column="review", target="opinion", text=NGrams(length=64))
    assert "é" in data.prepared.encoder.text.vocabulary.grams


def test_the_vocabulary_comes_from_training_rows_only(table):
    frame = reviews()
    frame["part"] = ["train", "val", "test"] * 80
    frame.loc[frame["part"] != "train", "review"] = "zebra zebra"
    path = table.parent / "split.csv"
    frame.to_csv(path, index=False)
    from bigmodel.data.splits import Split

    data = TextData(
        str(path), column="review", target="opinion", text=NGrams(),
        split=Split(by="column", column="part"),
    )  # fmt: skip
    assert "zebra" not in data.prepared.encoder.text.vocabulary.grams
    assert len(data.prepared.rows(TRAIN)) == 80


def test_the_cache_is_used_again_unless_the_reader_changes(table, monkeypatch):
    made = []
    original = NGrams.fit
    monkeypatch.setattr(NGrams, "fit", lambda self, texts: made.append(1) or original(self, texts))

    def prepared(**reader: int) -> object:
        data = TextData(str(table), column="review", target="opinion", text=NGrams(**reader))
        tokens = data.prepared.inputs.tokens
        for thread in threading.enumerate():
            if thread.name == "cache":
                thread.join()
        return tokens

    first, second = prepared(length=32), prepared(length=32)
    assert len(made) == 1
    assert (first == second).all()
    prepared(length=64)
    assert len(made) == 2


def test_a_changed_text_file_is_read_again(corpus):
    def rows() -> int:
        return len(TextData(str(corpus), text=NGrams()).prepared.target)

    before = rows()
    (corpus / "good" / "new.txt").write_text("great great")
    assert rows() == before + 1


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"target": "opinion"}, "a table needs data.column="),
        ({"column": "review"}, "a table needs data.column="),
        ({"column": "reviw", "target": "opinion"}, "no column 'reviw'; did you mean 'review'"),
    ],
)
def test_what_is_missing_is_said_in_one_line(table, settings, line):
    with pytest.raises(UserError, match=line):
        TextData(str(table), text=NGrams(), **settings).setup()


def test_a_file_that_is_no_text_is_named(corpus):
    (corpus / "bad" / "picture.txt").write_bytes(b"\x89PNG\x00\x00")
    with pytest.raises(UserError, match=r"picture\.txt: not a text file"):
        TextData(str(corpus), text=NGrams()).setup()


def test_check_says_what_is_wrong_with_the_reader(here):
    with pytest.raises(UserError, match=r"model\.text\.vocabulary"):
        bigmodel.fit(["model=text_cnn", "model.text.vocabulary=3"])
