"""Where the learners of a service live, and whether they learn."""

from dataclasses import dataclass
from pathlib import Path

from bigmodel.bundle.live import LiveEngine
from bigmodel.serving.living.living import Living
from bigmodel.serving.worker import Place


@dataclass(frozen=True)
class Home:
    """Below `state`, the service's directory: `learning/<name>/<version>/` has a learner's log."""

    state: Path
    learns: bool

    def open(self, name: str, version: str, engine: LiveEngine) -> Living:
        """The model's learner as its log has it, and running. Raises BigmodelError."""
        place = self.state / "learning" / name / version
        shared = Place.inherited() is not None
        return Living(version, engine, place, learns=self.learns, shared=shared)
