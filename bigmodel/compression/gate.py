"""The gate: every step is measured on validation; what breaks the budget is softened or undone."""

from functools import cached_property

from bigmodel.compression.bound import Drop
from bigmodel.compression.candidate import Candidate
from bigmodel.compression.resample import Answers
from bigmodel.compression.step import Step, Unsupported
from bigmodel.compression.work import Work


class Gate:
    """Judges candidates against the network `first`, which may lose `max_drop`.

    Each is asked as it will be served: the packed file, in the engine. `last` is what the last
    accepted one loses, `failures` says of each step that was undone by how much it failed.
    """

    def __init__(self, work: Work, first: Candidate, max_drop: float) -> None:
        self.work, self.max_drop = work, max_drop
        self.first = first
        self.before = work.answers(first.plain, work.val)
        self.last = Drop(0.0, 0.0, len(self.before.said))
        self.failures: list[str] = []

    def drop(self, candidate: Candidate, tries: int = 1) -> Drop:
        """What the candidate loses."""
        after = self.work.answers(candidate.served, self.work.val)
        return self.work.drop(self.before, after, self.work.val, tries)

    @cached_property
    def _before_seen(self) -> Answers:
        return self.work.answers(self.first.plain, self.work.seen)

    def drop_seen(self, candidate: Candidate) -> Drop:
        """What it loses on training rows, which says nothing certain."""
        after = self.work.answers(candidate.served, self.work.seen)
        return self.work.drop(self._before_seen, after, self.work.seen)

    def take(self, name: str, step: Step, candidate: Candidate) -> Candidate:
        """The candidate after this step, or a softer one; the same when none is within budget."""
        tries = 0
        trying: Step | None = step
        while trying is not None:
            tries += 1
            title = f"{name} ({trying})" if str(trying) else name
            try:
                smaller = trying.apply(candidate, self.work, f"{name}_{tries}")
            except Unsupported as reason:
                network = type(candidate.network).__name__
                self._fail(f"{title}: {network} stays as it is: {reason}")
                return candidate
            drop = self.drop(smaller, max(tries, int(smaller.figures.get("points", 1))))
            said = f"{title}: {self.said(drop)}"
            if drop.accepted(self.max_drop):
                self.last = drop
                print(f"compression: {said}{self._doubt(drop)}")
                return smaller
            trying = trying.softer(candidate)
            if trying is None:
                self._fail(f"{said}; undone")
            else:
                print(f"compression: {said}; softened")
        return candidate

    def said(self, drop: Drop) -> str:
        """The loss, beside what is allowed."""
        return (
            f"{self.work.monitor} loses {drop.value:.4f}, at most {drop.upper:.4f} "
            f"({self.max_drop:g} is allowed)"
        )

    def _doubt(self, drop: Drop) -> str:
        if drop.proven(self.max_drop):
            return ""
        return (
            f"; warning: not proven: {drop.rows:,} validation rows are too few, about "
            f"{drop.needed(self.max_drop):,} would do"
        )

    def _fail(self, text: str) -> None:
        self.failures.append(text)
        print(f"compression: {text}")
