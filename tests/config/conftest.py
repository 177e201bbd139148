"""The user's own ./conf, and the lines that a check says about it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bigmodel.config.check import check


@pytest.fixture
def conf(here: Path) -> Callable[[str, str], None]:
    """Write a file of the user's ./conf."""

    def write(name: str, text: str) -> None:
        path = here / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return write


@pytest.fixture
def lines(here: Path) -> Callable[..., list[str]]:
    """The mistakes of a composition."""
    return lambda *overrides, multirun=False: check("train", list(overrides), multirun)
