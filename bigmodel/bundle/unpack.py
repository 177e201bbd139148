"""A packed network with its constants unpacked: OpenVINO reads some packed ones wrongly.

Of weights that a graph looks up by their bits, OpenVINO 2026.4 makes other numbers than ONNX's own
reference does; the same nodes alone it evaluates rightly.
"""

from typing import Any

import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

_KEPT = ("DequantizeLinear",)  # of constants, too: engines look for it beside a layer


def unpacked(model: bytes) -> bytes:
    """The same network; what nodes made of constants alone is a constant."""
    made = onnx.load_model_from_string(model)
    known = {t.name: numpy_helper.to_array(t) for t in made.graph.initializer}
    left = []
    for node in made.graph.node:
        if node.op_type in _KEPT or not node.input or not all(n in known for n in node.input if n):
            left.append(node)
            continue
        answers: Any = ReferenceEvaluator(node).run(None, {n: known[n] for n in node.input if n})
        known.update(zip(node.output, answers, strict=True))
    del made.graph.node[:], made.graph.initializer[:]
    made.graph.node.extend(left)
    used = {name for node in left for name in node.input} | {o.name for o in made.graph.output}
    made.graph.initializer.extend(
        numpy_helper.from_array(array, name) for name, array in known.items() if name in used
    )
    raw: bytes = made.SerializeToString()
    return raw
