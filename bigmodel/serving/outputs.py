"""What a model answers as tensors of the V2 protocol: which there are, and how they are written."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from bigmodel.data.schema import Target
from bigmodel.serving import ids, tensors
from bigmodel.serving.answers import Answers
from bigmodel.serving.errors import invalid
from bigmodel.serving.http import Response, json

LENGTH = b"inference-header-content-length"
_OF_LABELS = {"bool": "BOOL", "int64": "INT64", "float64": "FP64"}  # by the target's dtype
_ID, _ABSTAINS = "prediction_id", "abstains"


class Outputs:
    """The outputs for one target: `known` has the datatype and the shape of each by its name.

    -1 is any number: of rows, and of classes where there is `room` for new ones.
    """

    def __init__(self, target: Target, room: int = 0) -> None:
        label = "FP64" if not target.classes else _OF_LABELS.get(target.dtype, tensors.BYTES)
        self.known: dict[str, tuple[str, list[int]]] = {"prediction": (label, [-1])}
        if target.classes:
            self.known["probabilities"] = ("FP64", [-1, -1 if room else len(target.classes)])
        self.known[_ID] = (tensors.BYTES, [-1])

    def wanted(self, told: Any, all_binary: bool, *, abstains: bool = False) -> Mapping[str, bool]:
        """The outputs that are asked for, all by default, and whether each is to be binary.

        One is there only for requests whose answers may abstain.
        """
        known = [*self.known, *([_ABSTAINS] if abstains else [])]
        if told is None or told == []:
            return dict.fromkeys(known, all_binary)
        if not isinstance(told, list):
            raise invalid("give the outputs as a list of objects", "outputs")
        wanted = {}
        for index, output in enumerate(told):
            name = output.get("name") if isinstance(output, dict) else None
            if not isinstance(name, str) or name not in known:
                raise invalid(f"the outputs are {', '.join(known)}", f"outputs[{index}]")
            settings = output.get("parameters")
            settings = settings if isinstance(settings, dict) else {}
            wanted[name] = settings.get("binary_data", all_binary) is True
        return wanted

    def response(
        self, told: dict[str, Any], wanted: Mapping[str, bool], answers: Answers, name: str
    ) -> Response:
        """The JSON `told` with the outputs, and behind it the data of those that are binary.

        The ids of the predictions are NAME-ROW.
        """
        rows = len(answers.predictions)
        values = {
            "prediction": answers.predictions,
            "probabilities": answers.probabilities,
            _ABSTAINS: answers.abstains,
        }
        outputs, parts = [], []
        for output, binary in wanted.items():
            datatype = "BOOL" if output == _ABSTAINS else self.known[output][0]
            shape = [rows]
            if output == "probabilities" and answers.probabilities is not None:
                shape = list(answers.probabilities.shape)
            content = dict(tensors.described(output, datatype, shape))
            if binary:
                part = (
                    ids.packed(name, rows) if output == _ID
                    else tensors.write(values[output], datatype)
                )  # fmt: skip
                parts.append(part)
                content["parameters"] = {"binary_data_size": len(part)}
            elif output == _ID:
                content["data"] = orjson.Fragment(ids.listed(name, rows))
            else:
                value = values[output]
                content["data"] = value.ravel() if isinstance(value, np.ndarray) else value
            outputs.append(content)
        response = json({**told, "outputs": outputs})
        if not parts:
            return response
        head = ((LENGTH, b"%d" % len(response.body)),)
        body = b"".join([response.body, *parts])
        return Response(body, b"application/octet-stream", headers=head)
