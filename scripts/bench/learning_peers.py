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


def changing(first, second, rows, width):
    """One concept, then in the middle another: at once, or more and more over `width` rows."""
    rng, ones, others = np.random.default_rng(1), iter(first), iter(second)
    for row in range(rows):
        late = (row - rows / 2) / max(width, 1) + 0.5
        yield next(others) if rng.random() < min(max(late, 0.0), 1.0) else next(ones)


def plain(name, seed):
    """A stream that changes by itself."""
    rbf = {"n_classes": 5, "n_features": 10, "n_centroids": 50, "seed_model": seed}
    if name == "led_drift":
        return synth.LEDDrift(seed=seed, noise_percentage=0.1, n_drift_features=4)
    if name == "hyperplane":
        return synth.Hyperplane(seed=seed, n_drift_features=5, mag_change=0.001)
    speed = 0.0001 if name == "rbf_slow" else 0.001
    return synth.RandomRBFDrift(seed_sample=seed, change_speed=speed, **rbf)


PAIRS = {  # a generator, its two functions, and the share of the rows over which they change
    "sea_abrupt": (synth.SEA, 0, 2, 0.0),
    "sea_gradual": (synth.SEA, 1, 3, 0.2),
    "agrawal_abrupt": (synth.Agrawal, 0, 4, 0.0),
    "agrawal_gradual": (synth.Agrawal, 2, 6, 0.2),
    "stagger": (synth.STAGGER, 0, 2, 0.0),
    "sine": (synth.Sine, 0, 1, 0.0),
}


def stream(name, seed, rows):
    if name not in PAIRS:
        return plain(name, seed).take(rows)
    make, first, second, share = PAIRS[name]
    return changing(make(first, seed=seed), make(second, seed=seed + 99), rows, rows * share)


def write(name, seed, rows, path):
    found = list(islice(stream(name, seed, rows), rows))
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
