"""What the default settings reach on real tables: mean of three seeds, with the spread.

Beside each figure stands a control on the same splits: logistic or linear regression (ours), and
scikit-learn's histogram gradient boosting with its defaults.
"""

import statistics
import tempfile
from pathlib import Path

import common
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import accuracy_score, roc_auc_score, root_mean_squared_error

import bigmodel

TABLES = {
    "adult": ("adult/adult_train.csv.gz", "income", ","),
    "california_housing": ("california_housing/housing.csv.gz", "median_house_value", ","),
    "bank_marketing": ("bank_marketing/bankmarketing.csv.gz", "y", ";"),
    "wine_quality": ("wine_quality/wine_quality.csv.gz", "quality", ","),
}
SHOWN = ("accuracy", "auroc", "macro_f1", "rmse", "r2")


def boosting(path: Path, target: str, separator: str, splits: pd.DataFrame) -> dict[str, float]:
    """Gradient boosting fitted on the train rows of our run, tested on its test rows."""
    frame = pd.read_csv(path, sep=separator)
    for name in frame.select_dtypes(exclude="number"):
        if name != target:
            frame[name] = frame[name].astype("category")
    y = frame.pop(target)
    which = splits.set_index("row")["split"].reindex(range(len(frame)))
    train, test = (which == "train").to_numpy(), (which == "test").to_numpy()
    if y.dtype.kind == "f":
        model = HistGradientBoostingRegressor(categorical_features="from_dtype", random_state=0)
        guess = model.fit(frame[train], y[train]).predict(frame[test])
        return {"rmse": root_mean_squared_error(y[test], guess)}
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=0)
    scores = model.fit(frame[train], y[train]).predict_proba(frame[test])
    labels = model.classes_[scores.argmax(1)]
    found = {"accuracy": accuracy_score(y[test], labels)}
    if len(model.classes_) == 2:
        found["auroc"] = roc_auc_score(y[test], scores[:, 1])
    return found


def measure(path: Path, target: str, separator: str, seed: int, folder: str) -> dict[str, dict]:
    """Metrics by model, for one seed."""
    given = ["data=csv", f"data.path={path}", f"data.target={target}", f"seed={seed}"]
    found = {}
    for model in ("mlp", "linear"):
        run = f"hydra.run.dir={folder}/{model}"
        result = bigmodel.fit([*given, f"model={model}", run])
        found[model] = {name: result.metrics.get(f"test/{name}") for name in SHOWN}
    splits = pd.read_parquet(Path(folder) / "mlp" / "splits.parquet")
    found["boosting"] = boosting(path, target, separator, splits)
    return found


def main() -> None:
    arguments = common.arguments(__doc__)
    seeds = range(1 if arguments.quick else 3)
    rows: list[dict[str, object]] = []
    means: dict[tuple[str, str, str], float] = {}
    for table, (file, target, separator) in TABLES.items():
        path = common.need(arguments.data / file)
        runs = []
        for seed in seeds:
            with tempfile.TemporaryDirectory() as folder:
                runs.append(measure(path, target, separator, seed, folder))
        for model in runs[0]:
            row: dict[str, object] = {"table": table, "model": model, "seeds": len(runs)}
            for name in SHOWN:
                values = [run[model][name] for run in runs if run[model].get(name) is not None]
                if values:
                    means[table, model, name] = statistics.mean(values)
                    row[name] = round(means[table, model, name], 4)
                    row[f"{name}_sd"] = round(float(np.std(values)), 4)
            rows.append(row)
    ours, boosted = (means["california_housing", model, "rmse"] for model in ("mlp", "boosting"))
    targets = [
        common.target("adult test auroc", means["adult", "mlp", "auroc"], ">=", 0.905),
        common.target("adult test accuracy", means["adult", "mlp", "accuracy"], ">=", 0.848),
        common.target("california rmse / boosting", ours / boosted, "<=", 1.12),
    ]
    common.finish("quality", rows, targets, arguments)


if __name__ == "__main__":
    main()
