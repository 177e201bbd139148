"""The dynamic half: what keeps learning while the model serves. Numpy and SciPy only.

A frozen network makes a row of numbers (`layout.Layout`); from then on everything is here:

    Learner(settings, layout, ...)   `learner.py`: owns the state; one thread calls `block`
    learner.live                     `snapshot.py`: the published, immutable `Snapshot`; any thread
    learner.live.answer(rows)        `(log_p (n, K), memos)`: what to serve, what to log for later
    learner.block(events)            predict -> mixer -> experts -> guard -> publish; a `Report`
    learner.state() / load_state     dict[str, ndarray]: all of it, for safetensors
    journal/                         the event log, commits, snapshots, replay, rollback
"""
