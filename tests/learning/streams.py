"""Rows of a small frozen network, and learners on them."""

import numpy as np

from bigmodel.learning.events import Events
from bigmodel.learning.experts import (
    RLS,
    SGD,
    SLDA,
    Frozen,
    LastLabel,
    RecentLabels,
    ReplayMLPs,
    WindowKNN,
)
from bigmodel.learning.layout import Layout
from bigmodel.learning.learner import Learner
from bigmodel.learning.lift import Lift
from bigmodel.learning.settings import Learning

LAYOUT = Layout(outputs=3, hidden=8, columns=4)
WARM = 200


def stream(n=1200, seed=0, turn=600):
    """Rows (n, 15) and labels of 3 classes: from row `turn` on the classes have changed places."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 4)).astype(np.float32)
    y = (X[:, 0] > 0).astype(np.int64) + (X[:, 1] > 0.5)
    logits = -4.0 * (np.arange(3) - y[:, None]) ** 2 + rng.standard_normal((n, 3))
    hidden = np.tanh(X @ rng.standard_normal((4, 8)))
    y[turn:] = (y[turn:] + 1) % 3
    return np.concatenate([logits, hidden, X], axis=1).astype(np.float32), y


def experts(**others):
    """One of each kind, small."""
    every = {
        "static": Frozen(),
        "lin": RLS(inputs="raw", forget_rate=0.99),
        "sgd": SGD(),
        "rls": RLS(forget_rate=0.998),
        "slda": SLDA(),
        "knn": WindowKNN(window=300),
        "mlp": ReplayMLPs(lrs=(1e-3, 3e-3), windows=(600, 200), replay=16),
        "last": LastLabel(),
        "recent": RecentLabels(lags=8),
    }
    return every | others


def learner_of(settings=None, layout=LAYOUT, classes=3, rows=None, labels=None):
    settings = settings or Learning(experts=experts(), lift=Lift(fourier=32))
    made = Learner(settings, layout, classes)
    if rows is None:
        rows, labels = (part[:WARM] for part in stream())
    made.warm(rows, labels, fit=len(rows) * 2 // 3)
    return made


def follow(learner, rows, labels, *, delay=0, block=16, **given):
    """Answer and learn, in order, labels `delay` rows late; returns the answers' codes."""
    said, waiting, learnt = [], [], 0
    for start in range(0, len(rows), block):
        answers, memos = learner.live.answer(rows[start : start + block])
        said.append(answers.argmax(axis=1) if answers.shape[1] > 1 else answers[:, 0])
        waiting.append(memos)
        while waiting and learnt + len(waiting[0].rows) + delay <= start + len(memos.rows):
            first = waiting.pop(0)
            part = slice(learnt, learnt + len(first.rows))
            own = {name: value[part] for name, value in given.items()}
            learner.block(Events(first, labels[part], **own))
            learnt = part.stop
    return np.concatenate(said)
