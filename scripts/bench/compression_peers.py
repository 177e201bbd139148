"""The engines that `compression.py` compares with: those that are installed, on the same rows."""

import copy
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from omegaconf import OmegaConf
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from safetensors.torch import save
from torch import nn

from bigmodel.compression import groups
from bigmodel.compression.layers import weights
from bigmodel.config.instantiate import instantiate
from bigmodel.data.batch import ask, reads
from bigmodel.data.encoder import Encoded
from bigmodel.training import run

Call = Callable[[], object]


@dataclass(frozen=True)
class Peer:
    """Another way to run the network: `call` gives one call for some rows; `bytes` is its file."""

    call: Callable[[Encoded], Call]
    bytes: int


def network_of(run_dir: Path) -> nn.Module:
    """The network of an uncompressed run, from its config and its best checkpoint."""
    cfg = OmegaConf.load(run_dir / "config.yaml")
    OmegaConf.set_struct(cfg, False)
    cfg.run_dir = str(run_dir)
    data = instantiate(cfg.data, text=instantiate(cfg.model.get("text")))
    data.setup("fit")
    model = instantiate(
        cfg.model,
        spec=data.spec,
        optimizer=instantiate(cfg.optimizer),
        monitor=run.monitored(cfg, data),
    )
    best = torch.load(run_dir / "checkpoints" / "best.ckpt", weights_only=True)
    model.load_state_dict(best["state_dict"])
    return model.network.eval()


def all_of(network: nn.Module, onnx: bytes, rows: Encoded, folder: Path) -> dict[str, Peer]:
    """Every peer that is there, by name."""
    size = _bytes(network)
    found = {"eager fp32": Peer(partial(eager, network), size)}
    compiled = torch.compile(copy.deepcopy(network), dynamic=False)
    found["torch.compile fp32"] = Peer(partial(eager, network, asked=compiled), size)
    by_hand = quantised(onnx, rows)
    found["onnxruntime int8, by hand"] = Peer(partial(session, by_hand), len(by_hand))
    if find_spec("torch_pruning"):
        narrow = pruned(network, rows)
        found["torch-pruning alone, half the width"] = Peer(partial(eager, narrow), _bytes(narrow))
    if find_spec("torchao"):
        ao = torchao(network)
        found["torchao int8 dynamic, eager"] = Peer(partial(eager, ao), 0)
    if find_spec("openvino"):
        found |= openvino(onnx, rows, folder)
    working = {}
    for name, peer in found.items():
        try:
            peer.call(rows.rows(slice(1)))()
            working[name] = peer
        except Exception as error:  # noqa: BLE001  a peer that cannot run this network
            print(f"{name} is left out: {str(error).splitlines()[0][:120]}", flush=True)
    return working


def _bytes(network: nn.Module) -> int:
    return len(save({name: value.contiguous() for name, value in network.state_dict().items()}))


def eager(network: nn.Module, rows: Encoded, asked: nn.Module | None = None) -> Call:
    """One call of a torch network, or of `asked`, what it was compiled to."""
    inputs = {name: torch.from_numpy(array) for name, array in rows.named().items()}
    tensors = [inputs[name] for name in reads(network)]
    given = network if asked is None else asked

    def call() -> object:
        with torch.inference_mode():
            return given(*tensors)

    return call


def session(onnx: bytes, rows: Encoded) -> Call:
    """One call of ONNX Runtime, on one core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    made = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    named = rows.named()
    feed = {given.name: named[given.name] for given in made.get_inputs()}
    return lambda: made.run(None, feed)


class Reader:
    """The rows in small batches, as the quantiser wants them."""

    def __init__(self, feed: dict[str, np.ndarray]) -> None:
        self.feeds = iter([{n: a[i : i + 32] for n, a in feed.items()} for i in range(0, 64, 32)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.feeds, None)


def quantised(onnx: bytes, rows: Encoded) -> bytes:
    """ONNX Runtime's own static quantiser with per-channel weights, as its documentation has it."""
    with tempfile.TemporaryDirectory() as name:
        given, prepared, made = (str(Path(name) / f"{n}.onnx") for n in ("given", "prep", "int8"))
        Path(given).write_bytes(onnx)
        quant_pre_process(given, prepared, skip_symbolic_shape=True)
        asked = [i.name for i in onnxruntime.InferenceSession(onnx).get_inputs()]
        named = rows.named()
        quantize_static(
            prepared,
            made,
            Reader({n: named[n] for n in asked}),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        return Path(made).read_bytes()


def pruned(network: nn.Module, rows: Encoded) -> nn.Module:
    """Half the width of every group, by magnitude, without training: its speed and size alone."""
    narrow = copy.deepcopy(network)
    given = groups.inputs(rows)
    roots, _ = groups.prunable(narrow, given)
    sizes = {n: layer.weight.detach() ** 2 for n, layer in weights(narrow).items()}
    groups.prune(narrow, given, roots, sizes, 0.5, 8)
    ask(narrow.eval(), given)
    return narrow


def torchao(network: nn.Module) -> nn.Module:
    """Dynamic int8 of torchao."""
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

    made = copy.deepcopy(network)
    quantize_(made, Int8DynamicActivationInt8WeightConfig())
    return made


def openvino(onnx: bytes, rows: Encoded, folder: Path) -> dict[str, Peer]:
    """OpenVINO with floats, and with the integers of NNCF."""
    import nncf
    import openvino as ov

    core, path = ov.Core(), folder / "given.onnx"
    path.write_bytes(onnx)
    model = core.read_model(path)
    named = rows.named()

    def feed(given: Encoded) -> dict[str, np.ndarray]:
        return {i.any_name: given.named()[i.any_name] for i in model.inputs}

    def call(compiled: Any, given: Encoded) -> Call:
        request, asked = compiled.create_infer_request(), feed(given)
        return lambda: request.infer(asked)

    count = len(next(iter(named.values())))
    each = [feed(rows.rows(slice(i, i + 1))) for i in range(count)]
    integer = nncf.quantize(model, nncf.Dataset(each), subset_size=count)
    found = {}
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    for name, given in (("openvino fp32", model), ("openvino int8, nncf", integer)):
        written = folder / f"{name[:13].replace(' ', '_')}.xml"
        ov.save_model(given, written, compress_to_fp16=False)
        size = written.stat().st_size + written.with_suffix(".bin").stat().st_size
        compiled = core.compile_model(given, "CPU", settings)
        found[name] = Peer(partial(call, compiled), size)
    return found
