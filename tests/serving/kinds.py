"""A small bundle of every kind that there is, and rows that it was not trained on."""

import base64
import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

import bigmodel

TINY = ["trainer.max_epochs=2", "data.batch_size=64", "data.quality=false"]
_MLP = ["model=mlp", "model.network.hidden=[16]"]
_TABLE = ["data=csv", "data.path=table.csv"]
_BOUGHT = [*_TABLE, "data.target=bought", "data.drop=[spent,note,fn]"]

KINDS = {
    "binary": [*_BOUGHT, *_MLP],
    "multiclass": [*_TABLE, "data.target=shop", "data.drop=[spent,note,fn]", *_MLP],
    "regression": [*_TABLE, "data.target=spent", "data.drop=[note,fn]", *_MLP],
    "trees": [*_BOUGHT, "model=gbdt"],
    "leaves": [*_BOUGHT, "model=gbdt_leaves"],
    "posthoc": [*_BOUGHT, *_MLP, "weighting=logit_adjust_posthoc"],
    "costs": [*_BOUGHT, *_MLP, "weighting=bmr", "weighting.fp=1", "weighting.fn=fn"],
    "text": [
        *(*_TABLE, "data.target=bought", "data.drop=[spent,fn]", "data.kinds.note=text"),
        *("model=text_cnn", "model.network.dim=8", "model.network.channels=8"),
        "model.text.vocabulary=300",
    ],
    "ngrams": [
        *("data=text", "data.path=table.csv", "data.column=note", "data.target=bought"),
        *("model=bag_of_ngrams", "model.network.dim=8"),
    ],
    "image": [
        *("data=images", "data.path=pictures", "model=resnet20"),
        *("model.network.blocks=[1,1]", "model.network.widths=[4,8]"),
    ],
}


def table(rows: int, seed: int) -> pd.DataFrame:
    """Numbers with gaps, whole ones, a category, a flag, times, texts, costs and three targets."""
    rng = np.random.default_rng(seed)
    x = rng.normal(50, 20, rows)
    good = x + rng.normal(0, 10, rows) > 50
    words = [["bad", "soup", "slow"], ["fine", "meal", "fast"]]
    frame = pd.DataFrame(
        {
            "number": np.where(rng.random(rows) < 0.1, np.nan, x.round(3)),
            "whole": rng.integers(0, 30, rows),
            "colour": np.where(rng.random(rows) < 0.1, None, rng.choice(["red", "blue"], rows)),
            "regular": rng.random(rows) < 0.4,
            "time": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 9**8, rows), "s"),
            "note": [" ".join(rng.choice(words[g], 3)) for g in good.astype(int)],
            "fn": rng.uniform(2, 30, rows).round(2),
            "shop": rng.choice(["north", "south", "west"], rows, p=[0.5, 0.3, 0.2]),
            "spent": (3 * x + 7).round(2),
            "bought": np.where(good, "yes", "no"),
        }
    )
    return frame.astype({"colour": "str"})


def train(kind: str, folder: Path) -> Path:
    """Fit it in a folder; returns the bundle."""
    if kind == "image":
        pictures(folder / "pictures", 12)
    else:
        table(240, seed=0).to_csv(folder / "table.csv", index=False)
    given = [text.replace("=table", f"={folder}/table") for text in (*KINDS[kind], *TINY)]
    given = [text.replace("=pictures", f"={folder}/pictures") for text in given]
    with contextlib.redirect_stdout(io.StringIO()):
        return bigmodel.fit([*given, f"name={kind}", f"hydra.run.dir={folder / 'run'}"]).bundle


def fresh(kind: str) -> pd.DataFrame:
    """Rows that it has not seen: also an unknown category, gaps, an image as bytes."""
    if kind == "image":
        return pd.DataFrame({"image": [png(shade, 99) for shade in (10, 128, 250)]})
    frame = table(40, seed=1)
    frame.loc[3, "colour"] = "never seen"
    frame.loc[4, "note"] = ""
    return frame


def pictures(root: Path, each: int) -> None:
    """Dark and light images, in folders of these names."""
    for name, shade in (("dark", 40), ("light", 210)):
        (root / name).mkdir(parents=True)
        for index in range(each):
            (root / name / f"{index}.png").write_bytes(png(shade, index))


def png(shade: int, seed: int) -> bytes:
    """A noisy image, as a file."""
    noise = np.random.default_rng(seed).normal(shade, 20, (12, 12, 3))
    buffer = io.BytesIO()
    Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def as_body(frame: pd.DataFrame) -> dict[str, Any]:
    """The rows as a caller sends them: null, times as text, images in base64."""

    def plain(value: Any) -> Any:
        if isinstance(value, bytes):
            return base64.b64encode(value).decode()
        return str(value) if isinstance(value, pd.Timestamp) else value

    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return {"rows": [{name: plain(value) for name, value in row.items()} for row in rows]}
