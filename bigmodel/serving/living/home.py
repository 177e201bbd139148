"""Where the learners of a service live, and whether they learn.

What they need is imported for them alone: SciPy takes time and memory.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bigmodel.serving.answers import Answering
from bigmodel.serving.worker import Place

if TYPE_CHECKING:
    from bigmodel.serving.living.answering import LiveAnswering
    from bigmodel.serving.living.living import Living


@dataclass(frozen=True)
class Home:
    """Below `state`, the service's directory: `learning/<name>/<version>/` has a learner's log."""

    state: Path
    learns: bool

    def open(self, name: str, version: str, engine: Any) -> "Living":
        """The learner of a `LiveEngine`, as its log has it, and running. Raises BigmodelError."""
        from bigmodel.serving.living.living import Living

        place = self.state / "learning" / name / version
        shared = Place.inherited() is not None
        return Living(version, engine, place, learns=self.learns, shared=shared)

    @staticmethod
    def answering(answering: Answering, living: "Living") -> "LiveAnswering":
        """What makes its answers."""
        from bigmodel.serving.living.answering import LiveAnswering

        return LiveAnswering(answering, living)
