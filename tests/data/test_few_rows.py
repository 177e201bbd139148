"""Few rows are encoded side by side: number for number as many are, column by column."""

import numpy as np
import pandas as pd
import pytest

from bigmodel.data.encoder import Encoder
from bigmodel.data.quantile_maps import FEW, QuantileMaps
from bigmodel.data.quantiles import QuantileMap, ordered_sample
from bigmodel.data.schema import Column, Schema, Target


def maps() -> list[QuantileMap]:
    """Of a normal, a constant, a two-valued, a coarse and an empty column."""
    rng = np.random.default_rng(0)
    columns = [
        rng.normal(5, 2, 40_000),
        np.full(100, 7.0),
        rng.integers(0, 2, 500).astype(float),
        rng.integers(-3, 4, 1000).astype(float),
        np.full(10, np.nan),
    ]
    return [QuantileMap.fit(ordered_sample(c), len(c)) for c in columns]


def test_maps_at_once_give_the_bits_of_each_map():
    alone = maps()
    rng = np.random.default_rng(1)
    values = rng.normal(1, 6, (FEW, len(alone)))
    values[::3] = values[::3].round()
    values[rng.random(values.shape) < 0.2] = np.nan
    values[0], values[1], values[2] = 1e29, -1e29, -0.0
    for column, one in enumerate(alone):  # on the knots themselves, too
        few = one.knots[: FEW - 3]
        values[3 : 3 + len(few), column] = few
    together = QuantileMaps(alone)(values)
    expected = np.stack([one(values[:, c]) for c, one in enumerate(alone)], axis=1)
    assert together.tobytes() == expected.tobytes()


@pytest.mark.parametrize("rows", [1, 2, FEW])
def test_an_encoder_gives_few_rows_the_bits_of_many(rows):
    rng = np.random.default_rng(2)
    count = 1000
    frame = pd.DataFrame(
        {
            "gap": np.where(rng.random(count) < 0.3, np.nan, rng.normal(size=count)),
            "flag": rng.random(count) < 0.5,
            "time": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.random(count) * 9e7, "s"),
            "word": pd.array(["a", "b", None], dtype="str").take(rng.integers(0, 3, count)),
        }
    )
    frame["time"] = frame["time"].astype("datetime64[us]")
    kinds = {"gap": "numeric", "flag": "boolean", "time": "datetime", "word": "categorical"}
    columns = tuple(Column(name, kind, "") for name, kind in kinds.items())
    encoder = Encoder.fit(frame, Schema(columns, Target("y", "binary", "str", ("a", "b"))))
    many, few = encoder.transform(frame), encoder.transform(frame.head(rows))
    assert few.numeric.tobytes() == many.numeric[:rows].tobytes()
    assert few.categorical.tobytes() == many.categorical[:rows].tobytes()
