"""The ids of predictions, by which feedback names them later."""

import os


def prediction_ids(count: int) -> list[str]:
    """A new id for each row of a request, REQUEST-ROW: nobody can guess those of others."""
    request = os.urandom(12).hex()
    return [f"{request}-{row}" for row in range(count)]
