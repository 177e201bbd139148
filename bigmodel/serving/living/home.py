"""Where the learners of a service live, and whether they learn.

What they need is imported for them alone: SciPy takes time and memory.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bigmodel.errors import UserError
from bigmodel.serving.answers import Answering
from bigmodel.serving.settings import Serving
from bigmodel.serving.worker import Place

if TYPE_CHECKING:
    from bigmodel.serving.living.answering import LiveAnswering
    from bigmodel.serving.living.living import Living


@dataclass(frozen=True)
class Home:
    """Below the service's directory of state `learning/<name>/<version>/` has a learner's log."""

    settings: Serving

    def open(self, name: str, version: str, engine: Any) -> "Living":
        """The learner of a `LiveEngine`, as its log has it, and running.

        Raises UserError where it may not keep what it learns from, BigmodelError when its log
        cannot be used.
        """
        from bigmodel.serving.living.living import Living

        learns, redact = self.settings.learn, self.settings.collect.redact
        if learns and redact:
            raise UserError(
                f"serving.collect.redact: the model {name!r} keeps learning, and for that keeps "
                f"what is made of each row, {redact[0]!r} included; say serving.learn=false, or "
                "redact nothing"
            )
        place = Path(self.settings.state) / "learning" / name / version
        shared = Place.inherited() is not None
        return Living(version, engine, place, learns=learns, shared=shared)

    @staticmethod
    def answering(answering: Answering, living: "Living") -> "LiveAnswering":
        """What makes its answers."""
        from bigmodel.serving.living.answering import LiveAnswering

        return LiveAnswering(answering, living)
