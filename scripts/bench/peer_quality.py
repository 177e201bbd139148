"""The peers of `quality.py`, in an environment of their own: whichever of them are installed.

    python -m venv trees && trees/bin/pip install lightgbm xgboost catboost scikit-learn pandas
    python -m venv nets && nets/bin/pip install pytorch-tabular requests torch==2.13.0
    python scripts/bench/quality.py --peer-python trees/bin/python nets/bin/python

Each library's own defaults, with as many rounds as validation asks for (early stopping after 50
rounds, 5000 at most, a learning rate of .05 where the library does not choose one by itself).
Leaves out those that are named behind the table, its target, the metric and the seed. Prints the
metric, and the seconds, of each as JSON.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROUNDS, PATIENCE, RATE, THREADS = 5000, 50, 0.05, 1
Parts = dict[str, tuple[pd.DataFrame, np.ndarray]]  # columns and target of train, val and test


def lightgbm(parts: Parts, classes: int, seed: int) -> np.ndarray:
    import lightgbm as lgb

    kind = lgb.LGBMClassifier if classes else lgb.LGBMRegressor
    model = kind(
        n_estimators=ROUNDS, learning_rate=RATE, n_jobs=THREADS, random_state=seed, verbose=-1
    )
    stop = lgb.early_stopping(PATIENCE, verbose=False)
    model.fit(
        *parts["train"], eval_X=(parts["val"][0],), eval_y=(parts["val"][1],), callbacks=[stop]
    )
    return answer(model, parts, classes)


def xgboost(parts: Parts, classes: int, seed: int) -> np.ndarray:
    import xgboost as xgb

    kind = xgb.XGBClassifier if classes else xgb.XGBRegressor
    model = kind(
        n_estimators=ROUNDS,
        learning_rate=RATE,
        n_jobs=THREADS,
        random_state=seed,
        early_stopping_rounds=PATIENCE,
        enable_categorical=True,
    )
    model.fit(*parts["train"], eval_set=[parts["val"]], verbose=False)
    return answer(model, parts, classes)


def catboost(parts: Parts, classes: int, seed: int) -> np.ndarray:
    import catboost as cb

    words = list(parts["train"][0].select_dtypes("category").columns)
    plain = {
        name: (columns.astype(dict.fromkeys(words, "string")).fillna(dict.fromkeys(words, "")), y)
        for name, (columns, y) in parts.items()
    }
    kind = cb.CatBoostClassifier if classes else cb.CatBoostRegressor
    model = kind(
        iterations=ROUNDS,
        early_stopping_rounds=PATIENCE,
        thread_count=THREADS,
        random_seed=seed,
        cat_features=words,
        verbose=False,
        allow_writing_files=False,
    )
    model.fit(*plain["train"], eval_set=plain["val"])
    return answer(model, plain, classes)


def sklearn(parts: Parts, classes: int, seed: int) -> np.ndarray:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    model = kind(
        max_iter=ROUNDS,
        learning_rate=RATE,
        early_stopping=True,
        n_iter_no_change=PATIENCE,
        categorical_features="from_dtype",
        random_state=seed,
    )
    columns, y = parts["train"]
    held, held_y = parts["val"]
    model.fit(columns, y, X_val=held, y_val=held_y)
    return answer(model, parts, classes)


def pytorch_tabular(parts: Parts, classes: int, seed: int) -> np.ndarray:
    from pytorch_tabular import TabularModel
    from pytorch_tabular.config import DataConfig, OptimizerConfig, TrainerConfig
    from pytorch_tabular.models import CategoryEmbeddingModelConfig

    columns = parts["train"][0]
    words = list(columns.select_dtypes("category").columns)
    middle = columns.drop(columns=words).median()
    frames = {}
    for name, (part, y) in parts.items():
        plain = part.fillna(middle).astype(dict.fromkeys(words, str))
        frames[name] = plain.assign(wanted=y)
    scale = (0.0, 1.0) if classes else (parts["train"][1].mean(), parts["train"][1].std())
    if not classes:
        frames = {
            n: f.assign(wanted=(f["wanted"] - scale[0]) / scale[1]) for n, f in frames.items()
        }
    with tempfile.TemporaryDirectory() as folder:
        model = TabularModel(
            data_config=DataConfig(
                target=["wanted"],
                continuous_cols=[name for name in columns if name not in words],
                categorical_cols=words,
            ),
            model_config=CategoryEmbeddingModelConfig(
                task="classification" if classes else "regression", layers="256-256"
            ),
            optimizer_config=OptimizerConfig(optimizer="AdamW"),
            trainer_config=TrainerConfig(
                batch_size=256,
                max_epochs=100,
                accelerator="cpu",
                checkpoints_path=folder,
                progress_bar="none",
                seed=seed,
            ),
            verbose=False,
            suppress_lightning_logger=True,
        )
        model.fit(train=frames["train"], validation=frames["val"])
        found = model.predict(frames["test"])
    if classes:
        return found[[f"wanted_{index}_probability" for index in range(classes)]].to_numpy()
    return found["wanted_prediction"].to_numpy() * scale[1] + scale[0]


PEERS: dict[str, Callable[[Parts, int, int], np.ndarray]] = {
    "lightgbm": lightgbm,
    "xgboost": xgboost,
    "catboost": catboost,
    "sklearn": sklearn,
    "pytorch_tabular": pytorch_tabular,
}


def answer(model: Any, parts: Parts, classes: int) -> np.ndarray:
    test = parts["test"][0]
    return np.asarray(model.predict_proba(test) if classes else model.predict(test))


def read(path: Path, target: str, classifies: bool) -> tuple[Parts, int]:
    frame = pd.read_csv(path)
    part = frame.pop("split")
    y = frame.pop(target)
    classes = sorted(y.unique()) if classifies else []
    values = y.map({name: code for code, name in enumerate(classes)}) if classifies else y
    for name in frame.select_dtypes(exclude="number"):
        frame[name] = frame[name].astype("category")
    parts = {
        name: (frame[part == name], values[part == name].to_numpy())
        for name in ("train", "val", "test")
    }
    return parts, len(classes)


def scores(found: np.ndarray, wanted: np.ndarray, classes: int) -> dict[str, float]:
    if not classes:
        return {"rmse": float(np.sqrt(np.mean((found - wanted) ** 2)))}
    told = {"accuracy": float(np.mean(found.argmax(1) == wanted))}
    ranks = pd.Series(found[:, 1]).rank().to_numpy()  # AUROC of two classes: Mann-Whitney's U
    positive = wanted == 1
    few, many = positive.sum(), (~positive).sum()
    told["auroc"] = float((ranks[positive].sum() - few * (few + 1) / 2) / (few * many))
    return told


def main() -> None:
    path, target, metric, seed = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    parts, classes = read(path, target, metric != "rmse")
    found = {}
    for name, fit in PEERS.items():
        if find_spec(name) is None or name in sys.argv[5:]:
            continue
        wall, cpu = time.perf_counter(), time.process_time()
        result = scores(fit(parts, classes, seed), parts["test"][1], classes)
        result |= {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        found[name] = result
    print(json.dumps(found))


if __name__ == "__main__":
    main()
