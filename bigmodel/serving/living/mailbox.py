"""A wish for the one who learns, left by any worker: go back to a version.

`wish.json` is what is wanted, `done-<id>.json` what became of it.
"""

import json
import time
from pathlib import Path
from typing import Any

from bigmodel import files
from bigmodel.serving.ids import new_id

_WISH = "wish.json"
_EVERY = 0.02  # seconds between two looks
_OLD = 600.0  # seconds after which nobody asks for an outcome any more


class Mailbox:
    """Beside the log in `place`."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def ask(self, version: int, patience: float) -> dict[str, Any]:
        """Wish to go back to `version`; what became of it: `{"version": N}` or `{"error": TEXT}`.

        Raises TimeoutError when nobody has answered after `patience` seconds.
        """
        name, end = new_id(), time.monotonic() + patience
        wish, done = self._place / _WISH, self._done(name)
        while wish.exists():
            _pause(end)
        files.write_json(wish, {"id": name, "version": version})
        while not done.exists():
            _pause(end)
        outcome: dict[str, Any] = json.loads(done.read_bytes())
        done.unlink(missing_ok=True)
        return outcome

    def wish(self) -> dict[str, Any] | None:
        """What is wanted, if anything."""
        try:
            content = json.loads((self._place / _WISH).read_bytes())
            return {"id": str(content["id"]), "version": int(content["version"])}
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):  # not ours
            (self._place / _WISH).unlink(missing_ok=True)
            return None

    def answer(self, wish: dict[str, Any], outcome: dict[str, Any]) -> None:
        """Say what became of it."""
        files.write_json(self._done(wish["id"]), outcome)
        (self._place / _WISH).unlink(missing_ok=True)
        for path in self._place.glob("done-*.json"):
            if time.time() - path.stat().st_mtime > _OLD:
                path.unlink(missing_ok=True)

    def _done(self, name: str) -> Path:
        return self._place / f"done-{name}.json"


def _pause(end: float) -> None:
    if time.monotonic() > end:
        raise TimeoutError
    time.sleep(_EVERY)
