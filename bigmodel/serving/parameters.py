"""What a request may decide beside its rows, within the limits of the bundle."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bigmodel.bundle.postprocess import Postprocess
from bigmodel.errors import UserError
from bigmodel.serving.errors import invalid


@dataclass(frozen=True)
class Parameters:
    """`postprocess` has the request's prior; None stands for what the bundle does."""

    postprocess: Postprocess
    threshold: float | None = None
    top_k: int | None = None
    probabilities: bool = True
    abstain_below: float | None = None


class Declared:
    """The parameters of one bundle: none for a regression, a threshold only with two classes.

    Where there is `room` for new classes, two are not sure to stay, and nobody knows the prior.
    """

    def __init__(self, postprocess: Postprocess, room: int = 0) -> None:
        self._default = Parameters(postprocess)
        self.classes = postprocess.target.classes
        self._most = len(self.classes) + room
        self._read: dict[str, Callable[[Any], Any]] = {}
        if self.classes:
            self._read = {
                "probabilities": _boolean,
                "top_k": self._top_k,
                "abstain_below": _share("abstain_below"),
            }
            if postprocess.prior and not room:
                self._read["prior"] = self._prior
            if self._most == 2:
                self._read["threshold"] = _share("threshold")

    def read(self, content: Any) -> Parameters:
        """The JSON object `parameters` of a request, or None. Raises ApiError 422."""
        if content is None:
            return self._default
        if not isinstance(content, dict):
            raise invalid("the parameters have to be an object", "parameters")
        settings: dict[str, Any] = {"postprocess": self._default.postprocess}
        for name, value in content.items():
            if name not in self._read:
                known = ", ".join(self._read) or "none"
                raise invalid(f"this model takes the parameters {known}", f"parameters.{name}")
            settings["postprocess" if name == "prior" else name] = self._read[name](value)
        return Parameters(**settings)

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the parameters."""
        shares = {name: {"type": "number", "exclusiveMinimum": 0} for name in self.classes}
        told: dict[str, Any] = {
            "probabilities": {
                "type": "boolean",
                "default": True,
                "description": "whether the answers have probabilities",
            },
            "top_k": {
                "type": "integer",
                "minimum": 1,
                "maximum": self._most,
                "description": "only the most probable classes, the most probable first",
            },
            "abstain_below": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "description": "of rows whose most probable class has less, the answer says "
                "that it abstains; its prediction is a guess",
            },
            "prior": {
                "type": "object",
                "properties": shares,
                "required": list(self.classes),
                "additionalProperties": False,
                "description": "the classes' shares where these rows come from; "
                "they need not sum to 1",
            },
            "threshold": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "description": "from which probability of the second class on it is the answer",
            },
        }
        known = {name: told[name] for name in self._read}
        return {"type": "object", "properties": known, "additionalProperties": False}

    def _prior(self, value: Any) -> Postprocess:
        if not isinstance(value, Mapping) or any(isinstance(v, bool) for v in value.values()):
            raise invalid("prior is an object: {class: share}", "parameters.prior")
        try:
            return self._default.postprocess.with_prior(value)
        except UserError as error:
            raise invalid(error.lines[0], "parameters.prior") from None

    def _top_k(self, value: Any) -> int:
        if type(value) is not int or not 1 <= value <= self._most:
            raise invalid(f"top_k is a whole number from 1 to {self._most}", "parameters.top_k")
        return value


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise invalid("probabilities is true or false", "parameters.probabilities")
    return value


def _share(name: str) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        if type(value) not in (int, float) or not 0 <= value <= 1:
            raise invalid(f"{name} is a number from 0 to 1", f"parameters.{name}")
        return float(value)

    return read
