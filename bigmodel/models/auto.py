"""Several models tried within a time budget, and the best of them together: `model=auto`."""

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

from annotated_types import Gt

from bigmodel.config.runtime import Runtime
from bigmodel.errors import UserError
from bigmodel.models.task import Task

__all__ = ["Auto"]


class Auto:
    """Settings of an ensemble: its `members` and what they may cost.

    Each member is a model of this group. They are fitted one after the other, in their order,
    within `budget_seconds` together; the time that one leaves over goes to those after it. Then
    members are picked greedily, `picks` times with replacement, by the log loss (or squared
    error) on validation (Caruana et al. 2004, ICML).
    """

    def __init__(
        self,
        members: Mapping[str, Callable[..., Task] | None],
        *,
        budget_seconds: Annotated[float, Gt(0)] = 180.0,
        picks: Annotated[int, Gt(0)] = 25,
        **runtime: Annotated[Any, Runtime()],
    ) -> None:
        self.budget_seconds, self.picks = budget_seconds, picks
        self._members = {name: make for name, make in members.items() if make is not None}
        self._runtime = runtime
        if not self._members:
            raise UserError("model.members: none is left; give at least one model")

    def __len__(self) -> int:
        return len(self._members)

    def tasks(self) -> Iterator[tuple[str, Task | UserError]]:
        """Each member by name, ready to be fitted; an error where the data do not allow it."""
        for name, make in self._members.items():
            try:
                yield name, make(**self._runtime)
            except UserError as error:
                yield name, error
