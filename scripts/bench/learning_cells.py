"""One figure of the learning benchmark: a method on a stream, kept by what it was computed from."""

import hashlib
import json
import os
import subprocess
from pathlib import Path
from time import process_time
from typing import Any

import common
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bigmodel.config.compose import compose
from bigmodel.config.instantiate import instantiate
from bigmodel.learning.layout import Layout
from bigmodel.learning.learner import Learner
from bigmodel.learning.lift import Lift
from bigmodel.learning.perceptron import Perceptron, fitted
from bigmodel.learning.settings import Learning
from bigmodel.learning.streaming import follow

CACHE = Path(os.environ.get("BIGMODEL_CACHE", Path.home() / ".cache" / "bigmodel")) / "bench"
REAL = {
    "elec2": ("elec2/elec.csv.gz", "class", []),
    "elec2_no_price": ("elec2/elec.csv.gz", "class", ["nswprice"]),
    "sea_stream": ("sea_stream/sea_stream.csv.gz", "class", []),
    "phishing": ("river_phishing/river_phishing.csv.gz", "is_phishing", []),
    "segments": ("river_image_segments/river_image_segments.csv.gz", "category", []),
}
MADE = (
    *("sea_abrupt", "sea_gradual", "agrawal_abrupt", "agrawal_gradual", "led_drift"),
    *("hyperplane", "rbf_slow", "rbf_fast", "stagger", "sine"),
)
HIDDEN = 64
Static = tuple[NDArray[np.float32], NDArray[np.int64], int]
Settings = tuple[str, ...]  # overrides of the preset
_LOG = ("keeper", "libraries", "snapshots", "store")  # the log of events
_BESIDE = {f"{name}.py" for name in (*_LOG, "challengers", "figures", "river")}  # no figure's part


def stream(name: str, seed: int, rows: int, given: Any) -> Path:
    """The stream as a file: X (n, d) float32, y (n,) int64, in order."""
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / f"stream-{name}-{seed if name in MADE else 0}-{rows}.npz"
    if path.exists():
        return path
    if name in MADE:
        peer(given, "stream", name, str(seed), str(rows), str(path))
        return path
    file, target, drop = REAL[name]
    frame = pd.read_csv(common.need(given.data / file)).head(rows)
    codes = pd.factorize(frame[target], sort=True)[0]
    columns = frame.drop(columns=[target, *drop])
    np.savez(path, X=columns.to_numpy(np.float32), y=codes.astype(np.int64))
    return path


def peer(given: Any, *arguments: str) -> str:
    """What River's interpreter prints."""
    python = common.need(given.peer_python[0] if given.peer_python else Path("no-peer-python"))
    script = Path(__file__).with_name("learning_peers.py")
    command = [str(python), str(script), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def cell(method: str, path: Path, delay: int, seed: int, given: Any) -> dict[str, float]:
    """Accuracy in percent, and rows per second of processor time; computed once."""
    made_from = [method, str(delay), str(seed), _hash(path), _sources(method)]
    kept = CACHE / f"{hashlib.sha256(' '.join(made_from).encode()).hexdigest()}.json"
    if kept.exists():
        return dict(json.loads(kept.read_text()))
    if method in ("arf", "hat", "lb", "lr"):
        found = json.loads(peer(given, "run", method, str(path), str(delay), str(seed)))
    else:
        found = ours(method, path, delay, seed)
    kept.write_text(json.dumps(found))
    return dict(found)


def ours(preset: str, path: Path, delay: int, seed: int, block: int = 0) -> dict[str, float]:
    """A preset of `conf/learning` on a frozen perceptron; with it the frozen one and no change.

    Labels are learnt as they come: one by one when they come at once, else by four.
    """
    return followed(preset, static(path, seed), delay, seed, block)


def followed(
    preset: str, given: Static, delay: int, seed: int, block: int = 0, settings: Settings = ()
) -> dict[str, float]:
    """`ours`, of what `static` gave."""
    rows, labels, warm = given
    learner = warmed(preset, rows[:warm], labels[:warm], seed, settings)
    began = process_time()
    trace = follow(
        learner, rows[warm:], labels[warm:], delay=delay, block=block or (4 if delay else 1)
    )
    seconds, truth = process_time() - began, labels[warm:]
    classes = int(labels.max()) + 1
    said = {
        "accuracy": trace.answers.argmax(axis=1),
        "frozen": rows[warm:, :classes].argmax(axis=1),
        "no_change": labels[warm - delay - 1 : len(labels) - delay - 1],
    }
    found = {name: 100 * float((codes == truth).mean()) for name, codes in said.items()}
    return found | {"rows_per_second": len(truth) / seconds}


def static(path: Path, seed: int) -> Static:
    """Rows for a learner, labels, and how many of them are for the start: a tenth, 100 to 1000."""
    data = np.load(path)
    X, y = data["X"], data["y"]
    warm, classes = int(np.clip(len(y) // 10, 100, 1000)), int(y.max()) + 1
    lift = Lift(fourier=0)
    lift.fit(X[:warm], Layout(0, 0, X.shape[1], "regression"), seed)
    inputs = lift(X, np.zeros((len(X), 1), np.int64)).inputs.astype(np.float32)
    net, rng = Perceptron(inputs.shape[1], classes), np.random.Generator(np.random.PCG64(seed))
    hot = np.eye(classes, dtype=np.float32)[y[:warm]]
    theta = fitted(net, inputs[:warm], hot, rng, epochs=150, row_steps=10**9)
    _, hidden, outputs = net.forward(theta, inputs)
    return np.concatenate([outputs[0], hidden[0], X], axis=1).astype(np.float32), y, warm


def warmed(
    preset: str,
    rows: NDArray[np.float32],
    labels: NDArray[np.int64],
    seed: int,
    overrides: Settings = (),
) -> Learner:
    """A learner of this preset that has seen these rows; a fifth of them is for the mixer."""
    cfg = compose(
        "train", ["model=static_dynamic", f"learning={preset}", f"seed={seed}", *overrides]
    )
    settings: Learning = instantiate(cfg.learning)
    classes = int(labels.max()) + 1
    learner = Learner(settings, Layout(classes, HIDDEN, rows.shape[1] - classes - HIDDEN), classes)
    learner.warm(rows, labels, fit=len(rows) * 4 // 5)
    return learner


def _hash(path: Path) -> str:
    with np.load(path) as data:
        return hashlib.sha256(data["X"].tobytes() + data["y"].tobytes()).hexdigest()


def _sources(method: str) -> str:
    """What decides a method's figures, besides stream and seed."""
    if method in ("arf", "hat", "lb", "lr"):
        files = [Path(__file__).with_name("learning_peers.py")]
    else:
        learning = common.ROOT / "bigmodel" / "learning"
        files = sorted((common.ROOT / "conf" / "learning").glob("*.yaml"))
        files += [path for path in sorted(learning.rglob("*.py")) if path.name not in _BESIDE]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
