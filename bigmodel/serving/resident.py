"""What stands in memory while it is needed: a version's network."""

import time
from abc import ABC, abstractmethod
from typing import Any, Protocol, Self


class Home(Protocol):
    """Who decides what is in memory."""

    async def bring(self, resident: Any) -> None:
        """Load it again; ApiError 503 when that takes too long or fails."""

    def gone(self, resident: Any) -> None:
        """It was freed for good."""


class Resident(ABC):
    """Counts who uses it; freed while nobody does, and loaded again when somebody comes.

    `bytes` is what it takes in memory, and `passing` what beside that for the moment of a load;
    `size` are the bytes of its file. One that `stays` is not freed
    as long as somebody may come. `home`, where there is one, loads it again. `enter`, `leave`,
    `retire` and `free` are called in the event loop, or before there is one.
    """

    name: str
    version: str
    size: int

    def __init__(self) -> None:
        self.bytes = self.passing = 0
        self.stays = False
        self.used = time.monotonic()
        self.home: Home | None = None
        self._users, self._retired = 0, False

    @property
    @abstractmethod
    def loaded(self) -> bool:
        """Whether it can be asked at once."""

    @property
    def idle(self) -> bool:
        """Whether nobody has it."""
        return not self._users

    def enter(self) -> Self:
        """A request has it until it calls `leave`."""
        self._users += 1
        self.used = time.monotonic()
        return self

    def leave(self) -> None:
        """The request is answered."""
        self._users -= 1
        if self._retired and not self._users:
            self._end()

    def retire(self) -> None:
        """No request gets it any more: free it after the last one that has it."""
        self._retired = True
        if not self._users:
            self._end()

    @abstractmethod
    def free(self) -> None:
        """Give up what is large; nobody has it."""

    @abstractmethod
    def reload(self) -> None:
        """Load it again, in any thread. Raises UserError or BigmodelError."""

    def _end(self) -> None:
        self.free()
        if self.home is not None:
            self.home.gone(self)
