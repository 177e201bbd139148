"""River's streams and classifiers, run by the interpreter of River's own environment.

python learning_peers.py stream NAME SEED ROWS FILE.npz
python learning_peers.py run METHOD FILE.npz DELAY SEED    (prints JSON)
"""

import json
import sys
from collections import deque
from itertools import islice
from pathlib import Path
from time import process_time

import numpy as np
from river import compose, ensemble, forest, linear_model, multiclass, preprocessing, tree
from river.datasets import synth


def changing(make, other, rows, width):
    """One concept, then another: at once, or over `width` rows in the middle."""
    return synth.ConceptDriftStream(make, other, position=rows // 2, width=width, seed=1)


def streams(seed, rows):
    sea, agrawal = synth.SEA, synth.Agrawal
    rbf = {"n_classes": 5, "n_features": 10, "n_centroids": 50, "seed_model": seed}
    drifting = synth.RandomRBFDrift
    return {
        "sea_abrupt": lambda: changing(sea(0, seed), sea(2, seed + 9), rows, 1),
        "sea_gradual": lambda: changing(sea(1, seed), sea(3, seed + 9), rows, rows // 5),
        "agrawal_abrupt": lambda: changing(agrawal(0, seed), agrawal(4, seed + 9), rows, 1),
        "agrawal_gradual": lambda: changing(
            agrawal(2, seed), agrawal(6, seed + 9), rows, rows // 5
        ),
        "led_drift": lambda: synth.LEDDrift(seed=seed, noise_percentage=0.1, n_drift_features=4),
        "hyperplane": lambda: synth.Hyperplane(seed=seed, n_drift_features=5, mag_change=0.001),
        "rbf_slow": lambda: drifting(seed_sample=seed, change_speed=0.0001, **rbf),
        "rbf_fast": lambda: drifting(seed_sample=seed, change_speed=0.001, **rbf),
        "stagger": lambda: changing(synth.STAGGER(0, seed), synth.STAGGER(2, seed + 9), rows, 1),
        "sine": lambda: changing(synth.Sine(0, seed), synth.Sine(1, seed + 9), rows, 1),
    }


def write(name, seed, rows, path):
    found = list(islice(streams(seed, rows)[name]().take(rows), rows))
    names = list(found[0][0])
    X = np.array([[float(x[key]) for key in names] for x, _ in found], dtype=np.float32)
    y = np.array([int(label) for _, label in found], dtype=np.int64)
    np.savez(path, X=X, y=np.unique(y, return_inverse=True)[1])


def model(method, classes, seed):
    if method == "arf":
        return forest.ARFClassifier(n_models=10, seed=seed)
    if method == "hat":
        return tree.HoeffdingAdaptiveTreeClassifier(seed=seed)
    if method == "lb":
        base = tree.HoeffdingTreeClassifier()
        return ensemble.LeveragingBaggingClassifier(base, n_models=10, seed=seed)
    lr = linear_model.LogisticRegression()
    if classes > 2:
        lr = multiclass.OneVsRestClassifier(lr)
    return compose.Pipeline(preprocessing.StandardScaler(), lr)


def run(method, path, delay, seed):
    data = np.load(path)
    X = [dict(enumerate(row)) for row in data["X"].astype(float).tolist()]
    y = data["y"].tolist()
    warm = int(np.clip(len(y) // 10, 100, 1000))
    learner = model(method, max(y) + 1, seed)
    for x, label in zip(X[:warm], y[:warm], strict=True):
        learner.learn_one(x, label)
    hits, waiting, began = 0, deque(), process_time()
    for x, label in zip(X[warm:], y[warm:], strict=True):
        hits += learner.predict_one(x) == label
        waiting.append((x, label))
        if len(waiting) > delay:
            learner.learn_one(*waiting.popleft())
    seconds, rows = process_time() - began, len(y) - warm
    return {"accuracy": 100 * hits / rows, "rows_per_second": rows / seconds}


if __name__ == "__main__":
    if sys.argv[1] == "stream":
        write(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
    else:
        print(json.dumps(run(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))))
