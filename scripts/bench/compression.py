"""Compression: size, speed and loss of each option, beside what other libraries make of the model.

One model a part: the perceptron and the strongest network on adult, ResNet-20 on small photos, the
transformer on clinc150, ResNet-20 on enlarged digits (minutes where the photos take hours). The
model is fitted once, and compressed from the same checkpoint by each option. All engines are asked
in turn in one process, on one core, with the C allocator's thresholds pinned (else eager torch
looks twice as slow as it is); ratios are medians over blocks of calls, with their range. Ours are
asked as they are served, by the bundle's engine: it leaves out padding that no text of a run needs.
`left_eager` is what the engine alone gains, `compressed` what is gained in the same engine. Losses
are paired, on validation rows; metrics on the test rows, of the file served.
Peers are those that are installed: torchao 0.18, openvino with nncf, torch-pruning.
"""

import argparse
import contextlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import common
import compression_peers as peers
import numpy as np
from PIL import Image
from safetensors.numpy import save
from sklearn.datasets import load_digits

import bigmodel
from bigmodel.bundle import golden
from bigmodel.bundle.sessions import OPENVINO
from bigmodel.compression import latency
from bigmodel.compression.sizes import ratios
from bigmodel.train import Result

HERE = Path(__file__).resolve().parent
PINNED = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 32),
    "OMP_NUM_THREADS": "1",
}
OPTIONS = ("int8", "int8_dynamic", "int4", "fp16", "low_rank", "prune_unstructured", "recipe")
ADULT = ["data=csv", "data.path={data}/adult/adult_train.csv.gz", "data.target=income",
         "data.test_path={data}/adult/adult_test.csv.gz", "data.split.ratios=[4,1,0]"]  # fmt: skip
LOAD = """
import sys, time
from pathlib import Path
began = time.perf_counter()
import numpy as np, onnxruntime
options = onnxruntime.SessionOptions(); options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options)
rows = dict(np.load(sys.argv[2]))
session.run(None, {i.name: rows[i.name][:1] for i in session.get_inputs()})
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(time.perf_counter() - began, int(status["VmHWM"].split()[0]) / 1024)
"""


@dataclass(frozen=True)
class Model:
    """A model to compress: its overrides, the metric shown, and what is asked of `auto`.

    `wanted`: times smaller, and times as fast as eager torch for 1 and for 64 rows.
    """

    name: str
    overrides: list[str]
    metric: str
    wanted: tuple[float, float, float]
    seconds: float = 2.0


MODELS = (
    Model("mlp, adult", [*ADULT, "model=mlp"], "accuracy", (8, 3, 5)),
    Model("tabm, adult", [*ADULT, "model=tabm", "monitor=val/log_loss"], "accuracy", (8, 3, 5)),
    Model(
        "resnet20, cifar10_small",
        ["experiment=cifar_small", "data.path={data}/cifar10_small/cifar10_small.zip",
         "data.split.ratios=[4,1,0]"],
        "accuracy",
        (3.4, 8, 2.8),
        5.0,
    ),
    Model(
        "text_transformer, clinc150",
        ["data=text", "data.path={data}/clinc150/clinc150_imbalanced.csv.gz", "data.column=text",
         "data.target=intent", "data.split.by=column", "data.split.column=split",
         "model=text_transformer", "monitor=val/accuracy"],
        "accuracy",
        (3.8, 3.4, 3.3),
        5.0,
    ),
    Model(
        "resnet20, digits at 32 x 32",
        ["data=images", "data.path={made}", "data.batch_size=64", "model=resnet20", "optimizer=sgd",
         "optimizer.lr=0.1", "optimizer.weight_decay=5e-4", "scheduler=one_cycle",
         "trainer.max_epochs=20", "callbacks.early_stopping=null"],
        "accuracy",
        (3.4, 8, 2.8),
        5.0,
    ),
)  # fmt: skip


def digits(folder: Path) -> Path:
    """The digits of scikit-learn, four times as wide and high: a folder of class folders."""
    if not folder.exists():
        images, classes = load_digits(return_X_y=True)
        for number, (image, label) in enumerate(zip(images, classes, strict=True)):
            place = folder / str(label) / f"{number:04}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            pixels = (image.reshape(8, 8) * 15).astype(np.uint8)
            Image.fromarray(pixels).resize((32, 32), Image.Resampling.BILINEAR).save(place)
    return folder


def fitted(model: Model, option: str, given: argparse.Namespace, folder: Path) -> Result:
    """The model, compressed by an option, from the checkpoint of the uncompressed one."""
    place = folder / option
    if option != "none":
        shutil.copytree(folder / "none" / "checkpoints", place / "checkpoints")
    made_here = digits(folder / "digits") if "data.path={made}" in model.overrides else None
    overrides = [part.format(data=given.data.resolve(), made=made_here) for part in model.overrides]
    for part in overrides:
        if part.startswith(("data.path=", "data.test_path=")):
            common.need(Path(part.partition("=")[2]))
    quick = ["trainer.max_epochs=1"] if given.quick else []
    with contextlib.redirect_stdout(io.StringIO()) as said:
        made = bigmodel.fit([*overrides, *quick, f"compression={option}", f"hydra.run.dir={place}"])
    print(f"{model.name}: {option}: {made.metrics['fit_seconds']:.0f} s", flush=True)
    for line in said.getvalue().splitlines():
        if line.startswith("compression:"):
            print(f"  {line}", flush=True)
    return made


def rows_of(result: Result, model: Model, given: argparse.Namespace) -> Any:
    """Encoded rows to ask with: the golden ones of the bundle, repeated."""
    bundle = bigmodel.load(result.bundle)
    frame = golden.rows_of((result.bundle / golden.ROWS).read_bytes())
    encoded = bundle.encoder.transform(frame)
    return encoded.rows(np.arange(64) % len(frame))


def started(file: Path, rows: Path) -> tuple[float, float]:
    """Seconds from the import to the first answer, and MiB at the most, in a process of its own."""
    found = [
        tuple(map(float, subprocess.check_output([sys.executable, "-c", LOAD, file, rows]).split()))
        for _ in range(3)
    ]
    return min(found)  # type: ignore[return-value]


def compare(model: Model, given: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """A row for each option and peer."""
    options = ("int8",) if given.quick else OPTIONS
    runs = {o: fitted(model, o, given, folder) for o in ("none", "auto", *options)}
    rows = rows_of(runs["none"], model, given)
    np.savez(folder / "rows.npz", **rows.named())
    network = peers.network_of(folder / "none")
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    fp32 = len(save(state))
    files = {o: (run.bundle / "model.onnx").read_bytes() for o, run in runs.items()}
    made = peers.all_of(network, files["none"], rows, folder)
    if find_spec(OPENVINO):  # what export.engine=auto chooses from
        by_openvino = partial(latency.asks, files["auto"], kind=OPENVINO)
        made["ours: auto, by openvino"] = peers.Peer(by_openvino, len(files["auto"]))
    took: dict[int, dict[str, list[float]]] = {}
    for batch in latency.BATCHES:
        few = rows.rows(slice(batch))
        calls: dict[str, Callable[[], object]] = {
            **{name: peer.call(few) for name, peer in made.items()},
            **{f"ours: {o}": latency.asks(file, few) for o, file in files.items()},
        }
        took[batch] = latency.medians(calls, 0.2 if given.quick else model.seconds * len(calls) / 3)
    encoder = bigmodel.load(runs["none"].bundle).encoder
    lines = []
    for name in took[1]:
        run = runs.get(name.removeprefix("ours: "))
        size = len(files[name[6:]]) if run else made[name].bytes
        line: dict[str, Any] = {"model": model.name, "what": name, "bytes": size}
        line["smaller"] = round(fp32 / size, 2) if size else None
        for batch in latency.BATCHES:
            gain = latency.ratio(took[batch]["eager fp32"], took[batch][name])
            line |= {f"x{batch}": round(gain.value, 2), f"x{batch}_low": round(gain.low, 2)}
            same = latency.ratio(took[batch]["ours: none"], took[batch][name])
            line[f"compressed{batch}"] = round(same.value, 2)
        if run:
            line |= figures(run, model, folder, name[6:])
            if name == "ours: none":
                line["served"] = ratios(files["none"], files["none"], encoder)["bytes"]
        lines.append(line)
    return lines


def figures(run: Result, model: Model, folder: Path, option: str) -> dict[str, Any]:
    """What a run of ours says of itself."""
    seconds, memory = started(run.bundle / "model.onnx", folder / "rows.npz")
    metrics = run.metrics
    found = {
        model.metric: round(metrics[f"test/{model.metric}"], 4),
        "load_s": round(seconds, 3),
        "MiB": round(memory, 1),
        "fit_s": metrics["fit_seconds"],
    }
    for name in ("drop", "drop_upper", "size_ratio", "drop_proven"):
        if f"compression/{name}" in metrics:
            found[name] = metrics[f"compression/{name}"]
    return found


def targets(model: Model, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the issue asks of this model."""
    by = {line["what"]: line for line in lines}
    auto, plain = by["ours: auto"], by["ours: none"]
    singles = [by[f"ours: {o}"] for o in OPTIONS if f"ours: {o}" in by]
    within = [line for line in singles if line.get("drop", 1) <= 0.005]
    better = [
        line["what"]
        for line in within
        if line["bytes"] < 0.97 * auto["bytes"]
        and all(line[f"compressed{b}"] > 1.03 * auto[f"compressed{b}"] for b in latency.BATCHES)
    ]
    start = f"{model.name}: auto"
    return [
        common.target(f"{start}: loss, bound", auto.get("drop_upper", 1.0), "<=", 0.005),
        common.target(f"{start}: network, times smaller", auto["smaller"], ">=", model.wanted[0]),
        common.target(f"{start}: with tables", auto.get("size_ratio", 1.0), ">=", model.wanted[0]),
        common.target(f"{start}: times eager, 1 row", auto["x1"], ">=", model.wanted[1]),
        common.target(f"{start}: times eager, 64 rows", auto["x64"], ">=", model.wanted[2]),
        common.target(f"{start}: the goal, times smaller", auto["smaller"], ">=", 8),
        common.target(
            f"{start}: times fp32 ONNX", min(auto["compressed1"], auto["compressed64"]), ">=", 1
        ),
        common.target(f"{start}: single options that beat it", len(better), "<=", 0),
        common.target(
            f"{start}: seconds, in those of the fit", auto["fit_s"] / plain["fit_s"], "<=", 4
        ),
    ]


def main() -> None:
    arguments = common.arguments(__doc__, part=tuple(range(1, len(MODELS) + 1)))
    if any(os.environ.get(name) != value for name, value in PINNED.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **PINNED})
    chosen = [MODELS[arguments.part - 1]] if arguments.part else list(MODELS)
    lines, told = [], []
    for model in chosen:
        with tempfile.TemporaryDirectory() as folder:
            found = compare(model, arguments, Path(folder))
        lines += found
        told += targets(model, found)
    common.finish("compression", lines, told, arguments)


if __name__ == "__main__":
    main()
