"""Reviews whose words say what they are, and small fits on them."""

import contextlib
import io
from pathlib import Path

import numpy as np
import pandas as pd

import bigmodel
from bigmodel.train import Result

GOOD = ["lovely", "tasty", "great", "friendly", "warm", "شهي", "טעים"]
BAD = ["awful", "bland", "rude", "cold", "dirty", "سيئ", "נורא"]
FILL = ["the soup was", "our waiter seemed", "we found the room", "I thought the bread was"]
MODELS = ["bag_of_ngrams", "text_cnn", "text_transformer"]
SMALL = {
    "bag_of_ngrams": ["model.network.dim=16"],
    "text_cnn": ["model.network.dim=16", "model.network.channels=16", "model.text.vocabulary=400"],
    "text_transformer": [
        "model.network.dim=16", "model.network.depth=1", "model.text.vocabulary=400",
    ],
}  # fmt: skip


def reviews(rows: int = 240, seed: int = 0) -> pd.DataFrame:
    """Reviews whose words say what they are; a few are missing or say "NA"."""
    rng = np.random.default_rng(seed)
    good = rng.random(rows) < 0.5
    texts = [
        f"{rng.choice(FILL)} {rng.choice(GOOD if g else BAD)}, {rng.choice(GOOD if g else BAD)}!"
        for g in good
    ]
    frame = pd.DataFrame({"review": pd.Series(texts, dtype="str"), "opinion": good})
    frame["opinion"] = np.where(good, "good", "bad")
    frame.loc[[5, 50], "review"] = None
    frame.loc[[6, 60], "review"] = "NA"
    return frame


def train(folder: Path, *overrides: str) -> Result:
    """A silent fit of a few epochs."""
    given = ["optimizer.lr=0.01", "data.batch_size=32", "trainer.max_epochs=8"]
    with contextlib.redirect_stdout(io.StringIO()):
        return bigmodel.fit([*given, *overrides, f"hydra.run.dir={folder}"])
