"""A learner, ready to learn."""

import pytest
from streams import learner_of


@pytest.fixture
def learner():
    """A learner with one of each expert, warmed on 200 rows."""
    return learner_of()
