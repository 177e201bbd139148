"""The event log: every label once, every version explained, any version rebuilt bit for bit.

Journal(place)        `store.py`: the labels that came and the versions that came of them, on disk
Keeper(learner, log)  `keeper.py`: the one who learns from it: `append`, `step`, `rollback`, `live`
`bigmodel replay`     `replay.py`: rebuild a version in another process and compare its bits
"""
