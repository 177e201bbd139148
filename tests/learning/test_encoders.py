"""The frozen network may read texts or images: what learns on top only sees its features."""

from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

import bigmodel
from bigmodel.data.reading import conform
from bigmodel.learning.events import Events

QUICK = ["optimizer.lr=0.01", "data.batch_size=16", "learning=fast", "learning.lift.fourier=16"]


def turned(bundle, frame, target):
    """Accuracy before and after the classes have changed places, for the second half of a frame."""
    opened = bigmodel.load(bundle)
    classes = list(opened.schema.target.classes)
    codes = np.array([(classes.index(name) + 1) % len(classes) for name in frame[target]])
    rows = opened.engine.rows(opened.encoder.transform(conform(frame, opened.schema)))
    half, learner = len(frame) // 2, opened.engine.learner

    def right():
        said = opened.predict(frame[half:])["prediction"]
        return (said.to_numpy() == np.array(classes)[codes[half:]]).mean()

    before = right()
    for start in range(0, half, 16):
        part = slice(start, min(start + 16, half))
        learner.block(Events(learner.live.answer(rows[part])[1], codes[part]))
    return before, right()


@pytest.mark.skipif(find_spec("tokenizers") is None, reason="texts are an extra")
def test_on_texts(tmp_path):
    rng = np.random.default_rng(0)
    words = {"good": ["lovely", "tasty", "great"], "bad": ["awful", "bland", "cold"]}
    opinions = rng.choice(["good", "bad"], 480)
    texts = [
        f"the soup was {rng.choice(words[one])} and {rng.choice(words[one])}" for one in opinions
    ]
    frame = pd.DataFrame({"review": texts, "opinion": opinions})
    frame[:240].to_csv(tmp_path / "reviews.csv", index=False)
    data = ["data=text", f"data.path={tmp_path / 'reviews.csv'}", "data.column=review"]
    network = ["model=text_cnn", "model.network.dim=16", "model.network.channels=16"]
    run = [
        *QUICK,
        "trainer.max_epochs=5",
        "data.target=opinion",
        f"hydra.run.dir={tmp_path / 'run'}",
    ]
    found = bigmodel.fit([*data, *network, "model.text.vocabulary=400", *run])
    before, after = turned(found.bundle, frame[240:].reset_index(drop=True), "opinion")
    assert before < 0.1
    assert after > 0.9


@pytest.mark.skipif(find_spec("PIL") is None, reason="images are an extra")
def test_on_images(tmp_path):
    from PIL import Image

    rng, colours = np.random.default_rng(0), {"blue": (40, 60, 200), "red": (200, 50, 40)}
    files, names = [], []
    for index in range(144):
        name = ("blue", "red")[index % 2]
        pixels = np.array(colours[name]) + rng.normal(0, 25, (12, 12, 3))
        path = tmp_path / "all" / name / f"{index:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
        files.append(str(path))
        names.append(name)
    network = ["model=resnet20", "model.network.blocks=[1,1]", "model.network.widths=[8,16]"]
    run = ["trainer.max_epochs=4", f"hydra.run.dir={tmp_path / 'run'}"]
    found = bigmodel.fit(["data=images", f"data.path={tmp_path / 'all'}", *network, *QUICK, *run])
    frame = pd.DataFrame({"image": files, "label": names})
    before, after = turned(found.bundle, frame, "label")
    assert before < 0.1
    assert after > 0.9
