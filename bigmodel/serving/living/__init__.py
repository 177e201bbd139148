"""Models that keep learning while they serve.

    Home, Living     `home.py`, `living.py`: a model's learner, its thread, and what it answers with
    Answering        `answering.py`: answers of one published snapshot, and what to keep of them
    teach            `teaching.py`: from feedback to events: joined, refused by name, on the disk
    Leader           `leader.py`: the one process that learns; others follow `published.py`
    Figures          `figures.py`: what `/metrics` and `GET /v1/models/NAME` tell

Of several workers the one that holds the lock of the event log learns. It writes each version
beside the log, and the others take it up some milliseconds later. When it ends, however it ends,
another has the lock, and goes on from the last version in the log.
"""
