"""A large network is in memory once: its weights come from a file of the process alone."""

import re
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
import versions
from onnx import TensorProto

from bigmodel.bundle import archive
from bigmodel.bundle.engine import Engine
from bigmodel.bundle.load import load
from bigmodel.bundle.network import LARGE
from bigmodel.bundle.write import write_zip
from bigmodel.errors import BigmodelError, UserError
from bigmodel.serving import memory

MEGABYTES = 8


@pytest.fixture(scope="module")
def large(wine_bundle, tmp_path_factory) -> Path:
    return versions.large(wine_bundle, tmp_path_factory.mktemp("large") / "bundle", MEGABYTES, 0)


@pytest.fixture
def scratch(tmp_path, monkeypatch) -> Path:
    """The directory for files that are no longer there afterwards."""
    place = tmp_path / "scratch"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def forged(large: Path, place: Path, raw: bytes) -> Path:
    """The bundle with another network, and hashes that fit it."""
    return versions.remade(large, place, lambda files: {**files, "model.onnx": raw}, "2026-06-01")


def test_it_answers_as_the_same_file_does_as_a_whole(large, scratch, wines):
    content = archive.read(large, to_run=True)
    assert content.network is not None
    assert content.network.count >= versions.LAYERS
    assert len(content.network.graph) < LARGE
    opened = load(large)
    encoded = opened.encoder.transform(wines.drop(columns="target"))
    whole = Engine((large / "model.onnx").read_bytes(), "the same")
    np.testing.assert_array_equal(opened.engine.run(encoded), whole.run(encoded))
    del content
    assert not list(scratch.iterdir())


def test_opening_it_takes_its_memory_once(large, scratch, tmp_path):
    packed = write_zip(large, tmp_path / "large.zip")
    load(packed)  # what comes with the first one is no network's
    memory.give_back()
    before = memory.resident()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    opened = load(packed)
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) << 10
    assert opened.engine.passing < 1.1 * (MEGABYTES << 20) / versions.LAYERS
    assert peak - before < 1.6 * (MEGABYTES << 20)


def test_one_flipped_bit_of_a_weight_is_refused(large, tmp_path, scratch):
    raw = bytearray((large / "model.onnx").read_bytes())
    raw[len(raw) // 2] ^= 1
    copy = forged(large, tmp_path / "copy", bytes(raw))
    manifest = (large / "manifest.json").read_bytes()
    (copy / "manifest.json").write_bytes(manifest)
    with pytest.raises(UserError, match=r"model\.onnx: damaged or altered"):
        load(copy)
    assert not list(scratch.iterdir())


@pytest.mark.parametrize(
    "begin", [b"\x0a\xff\xff\xff\xff\x7f", b"\x0f", b"\xff" * 11, b"\x08\0" * (LARGE // 2)]
)
def test_what_is_no_network_is_told(large, tmp_path, scratch, begin):
    path = forged(large, tmp_path / "forged", begin + bytes(LARGE))
    with pytest.raises(UserError, match=r"model\.onnx: not an ONNX model"):
        load(path)
    assert not list(scratch.iterdir())


@pytest.mark.parametrize("location", ["../../etc/passwd", "/etc/passwd"])
@pytest.mark.parametrize("of_a_weight", [False, True])
def test_weights_elsewhere_are_refused(large, tmp_path, scratch, location, of_a_weight):
    model = onnx.load_model_from_string((large / "model.onnx").read_bytes())
    if of_a_weight:
        tensor = next(t for t in model.graph.initializer if t.name == "table0")
    else:
        tensor = model.graph.initializer.add(data_type=TensorProto.FLOAT, dims=[1], name="secret")
    tensor.external_data.add(key="location", value=location)
    tensor.data_location = TensorProto.EXTERNAL
    path = forged(large, tmp_path / "forged", model.SerializeToString())
    with pytest.raises(UserError, match="weights in files outside the bundle"):
        load(path)


def test_it_may_say_location(large, tmp_path, scratch, wines):
    model = onnx.load_model_from_string((large / "model.onnx").read_bytes())
    model.graph.doc_string = "location"
    path = forged(large, tmp_path / "forged", model.SerializeToString())
    assert isinstance(load(path).predict(wines.drop(columns="target")), pd.DataFrame)


def test_without_room_for_its_weights_it_is_told(large, scratch, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(scratch / "missing"))
    with pytest.raises(BigmodelError, match=r"no room for .* bytes of weights .* TMPDIR"):
        load(large)
