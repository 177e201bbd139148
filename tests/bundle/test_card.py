from dataclasses import replace

from bigmodel.bundle.card import model_card
from bigmodel.data.schema import Column, Schema, Target

COLOUR = Column("colour", "categorical", "str", missing_rate=0.125, categories=("blue", "red"))
PRICE = Column("price", "numeric", "float64", minimum=1.5, maximum=99.0)
SCHEMA = Schema((COLOUR, PRICE), Target("sold", "binary", "str", ("no", "yes")))


def card(schema: Schema) -> str:
    return model_card("shop", schema, {"test/f1": 0.5, "test/auroc": None}, {"numpy": "2.4"}, 8)


def test_the_card_says_what_the_bundle_knows():
    text = card(SCHEMA)
    assert "Tells which `sold` a row has, of `no`, `yes`, from 2 columns" in text
    assert "| `colour` | categorical | str | 12.5% | 2 categories |" in text
    assert "| `price` | numeric | float64 | none | 1.5 to 99 |" in text
    assert "| test/f1 | 0.5 |" in text
    assert "| test/auroc | - |" in text
    assert "| numpy | 2.4 |" in text
    assert "8 rows of the data stand in `golden.parquet`" in text


def test_names_from_the_data_cannot_break_the_table():
    text = card(replace(SCHEMA, columns=(replace(COLOUR, name="a|b`c\nd"),)))
    assert "| `a\\|b'c d` | categorical |" in text
