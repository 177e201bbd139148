"""What `conf/learning` says: the experts, and how they are mixed, watched and guarded."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Lt

from bigmodel.errors import UserError
from bigmodel.learning.anchor import Anchor
from bigmodel.learning.calibration import Calibration
from bigmodel.learning.experts import Expert
from bigmodel.learning.experts.frozen import Frozen
from bigmodel.learning.gaussian import GaussianMixer
from bigmodel.learning.lift import Lift
from bigmodel.learning.mixer import Mixer
from bigmodel.learning.newcomers import NewClasses
from bigmodel.learning.quarantine import Quarantine
from bigmodel.learning.river import River
from bigmodel.learning.source_cap import SourceCap

__all__ = ["Drift", "Guard", "Learning", "Update"]


@dataclass(kw_only=True)
class Drift:
    """ADWIN with `delta` on the mixture's errors; on a rise the experts keep the share `keep`."""

    delta: Annotated[float, Gt(0), Lt(1)] = 0.002
    keep: Annotated[float, Ge(0), Le(1)] = 0.1


@dataclass(kw_only=True)
class Guard:
    """What may be learnt, and published; null takes one out."""

    cap: SourceCap | None = field(default_factory=SourceCap)
    anchor: Anchor | None = field(default_factory=Anchor)
    quarantine: Quarantine | None = field(default_factory=Quarantine)


@dataclass(kw_only=True)
class Update:
    """How a service learns: `most` labels in a block; none waits longer than `max_wait_ms`.

    A label is learnt when it comes `max_delay_hours` after its prediction at the latest: so long
    the features are kept. Above `waiting` labels that are not learnt yet, callers are told to wait.
    The state is written every `snapshot_every` blocks, and `keep` of these files are kept.
    """

    most: Annotated[int, Gt(0)] = 64
    max_wait_ms: Annotated[float, Gt(0)] = 50.0
    max_delay_hours: Annotated[float, Gt(0)] = 720.0
    waiting: Annotated[int, Gt(0)] = 100_000
    snapshot_every: Annotated[int, Gt(0)] = 500
    keep: Annotated[int, Gt(0)] = 5


@dataclass(kw_only=True)
class Learning:
    """The dynamic half's settings. `experts` by name, null takes one out.

    The frozen network has to be one of them. `challengers` learn in the shadow. `block` is the
    number of labels after which the slower experts learn, and a new version is judged.
    """

    experts: Mapping[str, Expert | None]
    mixer: Mixer = field(default_factory=Mixer)
    lift: Lift = field(default_factory=Lift)
    calibration: Calibration = field(default_factory=Calibration)
    drift: Drift | None = field(default_factory=Drift)
    guard: Guard = field(default_factory=Guard)
    update: Update = field(default_factory=Update)
    challengers: Mapping[str, Expert | None] = field(default_factory=dict)
    new_classes: NewClasses = field(default_factory=NewClasses)
    block: Annotated[int, Gt(0)] = 16
    seed: Annotated[int, Ge(0)] = 0

    def __post_init__(self) -> None:
        if not any(isinstance(expert, Frozen) for expert in self.taken.values()):
            raise UserError(
                "learning.experts: the frozen network is missing; add "
                "static: {_target_: bigmodel.learning.experts.frozen.Frozen}"
            )

    @property
    def taken(self) -> dict[str, Expert]:
        """The experts that are there."""
        return {name: expert for name, expert in self.experts.items() if expert is not None}

    @property
    def challenging(self) -> dict[str, Expert]:
        """The challengers that are there."""
        return {name: expert for name, expert in self.challengers.items() if expert is not None}

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, each object with its class under `kind`."""
        return dict(_plain(self))

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Learning":
        """Read what `to_json` wrote. Raises KeyError, TypeError or ValueError on anything else."""
        made = _made(content)
        if not isinstance(made, cls):
            raise TypeError("not the settings of a learner")
        return made


def _kinds() -> dict[str, type]:
    """The classes that settings may hold, by name: those of this room and no others."""
    parts: tuple[type, ...] = (Learning, Guard, Drift, Update, Mixer, GaussianMixer, Lift)
    parts = (*parts, Anchor, Calibration, NewClasses, Quarantine, SourceCap, River)
    found = {kind.__name__: kind for kind in parts}
    todo = list(Expert.__subclasses__())
    while todo:
        kind = todo.pop()
        found[kind.__name__] = kind
        todo += kind.__subclasses__()
    return found


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        own = [f for f in fields(value) if f.init and f.name not in _LEARNT]
        return {"kind": type(value).__name__} | {
            f.name: _plain(getattr(value, f.name)) for f in own
        }
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return list(value) if isinstance(value, tuple | list) else value


_LEARNT = {"v", "w", "q", "errors", "stacks", "variance", "sharpness"}  # state, no settings


def _made(value: Any) -> Any:
    if not isinstance(value, dict):
        return tuple(value) if isinstance(value, list) else value
    given = {name: _made(part) for name, part in value.items() if name != "kind"}
    return _kinds()[value["kind"]](**given) if "kind" in value else given
