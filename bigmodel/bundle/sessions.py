"""The libraries that can run a bundle's network: how each opens it, and is asked."""

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bigmodel.bundle.network import Network
from bigmodel.errors import UserError

ONNXRUNTIME, OPENVINO = "onnxruntime", "openvino"
_WEIGHTS = "session.model_external_initializers_file_folder_path"
_FATAL = 4  # ONNX Runtime's own log level; what it raises is enough
Feed = dict[str, NDArray[Any]]


class Session(NamedTuple):
    """An opened network: the names of its inputs and outputs; `ask` is safe in any thread."""

    inputs: list[str]
    outputs: list[str]
    ask: Callable[[Feed], NDArray[np.float32]]


def onnxruntime(model: bytes | Network, place: str, cores: int) -> Session:
    """ONNX Runtime: the default, and as a rule the fastest for one row."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle is idle
    if isinstance(model, Network):
        options.add_session_config_entry(_WEIGHTS, str(model.folder))
    try:
        session = onnxruntime.InferenceSession(
            model.graph if isinstance(model, Network) else model,
            options,
            providers=["CPUExecutionProvider"],
            enable_fallback=0,
        )
    except Exception as error:
        raise UserError(f"{place}: ONNX Runtime refuses it: {first_line(error)}") from error
    session._model_bytes = None  # the file, as large as the weights: only to open it once more
    return Session(
        [given.name for given in session.get_inputs()],
        [output.name for output in session.get_outputs()],
        lambda feed: session.run(["output"], feed)[0],
    )


def openvino(model: bytes | Network, place: str, cores: int) -> Session:
    """OpenVINO (an extra), in float32: often faster for convolutions and attention."""
    try:
        import openvino as ov
    except ImportError as error:
        raise UserError(
            f'{place}: made for the engine openvino; pip install "bigmodel[openvino]"'
        ) from error
    from bigmodel.bundle.unpack import unpacked

    if isinstance(model, Network):
        raise TypeError("a network for this engine is read as it is")
    settings = {
        "INFERENCE_NUM_THREADS": cores,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",  # else it takes bfloat16 where the processor has it
    }
    core = ov.Core()
    try:
        compiled = core.compile_model(core.read_model(unpacked(model)), "CPU", settings)
    except Exception as error:
        raise UserError(f"{place}: OpenVINO refuses it: {first_line(error)}") from error
    own = threading.local()  # a request holds the answers: each thread has one of its own

    def ask(feed: Feed) -> NDArray[np.float32]:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        answer: NDArray[np.float32] = own.request.infer(feed)[compiled.output(0)].copy()
        return answer

    return Session(
        [given.any_name for given in compiled.inputs],
        [output.any_name for output in compiled.outputs],
        ask,
    )


ENGINES: dict[str, Callable[[bytes | Network, str, int], Session]] = {
    ONNXRUNTIME: onnxruntime,
    OPENVINO: openvino,
}


def first_line(error: Exception) -> str:
    """What an engine says, short enough for a line."""
    return str(error).strip().partition("\n")[0][:200]
