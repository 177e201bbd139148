"""How large what is served is: the network, and what encodes rows for it."""

import json

from safetensors.numpy import save

from bigmodel.data.encoder import Encoder


def ratios(onnx: bytes, plain: bytes, encoder: Encoder) -> dict[str, float]:
    """`bytes`: of the file that is served and of the encoder's files, together.

    `size_ratio`: how many times as large these are uncompressed; `model_ratio`: the network alone.
    """
    meta, arrays = encoder.state()
    tables = len(json.dumps(meta, indent=1)) + len(save(arrays))
    return {
        "bytes": float(len(onnx) + tables),
        "size_ratio": round((len(plain) + tables) / (len(onnx) + tables), 3),
        "model_ratio": round(len(plain) / len(onnx), 3),
    }
