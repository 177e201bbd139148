"""Bundles made by someone who knows how: every hash is right, and the content is not."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save

from bigmodel.bundle import archive
from bigmodel.bundle.inspect import main
from bigmodel.bundle.load import load
from bigmodel.bundle.manifest import Manifest
from bigmodel.errors import BigmodelError, UserError


@pytest.fixture
def forge(bundle, tmp_path):
    """A function that writes the bundle with other contents and a manifest that fits them."""

    def write(contents: dict[str, bytes | None], **head: str) -> Path:
        genuine = archive.read(bundle)
        files = {k: v for k, v in (genuine.files | contents).items() if v is not None}
        manifest = Manifest.describe(files, "wine", "multiclass", {})
        manifest = Manifest(**{**vars(manifest), **head})
        directory = tmp_path / "forged"
        directory.mkdir()
        for name, content in files.items():
            (directory / name).write_bytes(content)
        (directory / "manifest.json").write_bytes(manifest.to_bytes())
        return directory

    return write


def edited(bundle: Path, name: str, **changes: object) -> bytes:
    return json.dumps(json.loads((bundle / name).read_text()) | changes).encode()


def reading_a_file(bundle: Path, location: str, in_node: bool) -> bytes:
    """The model, with the weights of one tensor in another file."""
    model = onnx.load(bundle / "model.onnx")
    tensor = TensorProto(name="secret", data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    if in_node:
        model.graph.node.append(helper.make_node("Constant", [], ["unused"], value=tensor))
    else:
        model.graph.initializer.append(tensor)
    return model.SerializeToString()


@pytest.mark.parametrize("in_node", [False, True], ids=["initializer", "node"])
@pytest.mark.parametrize("location", ["weights.bin", "../../etc/passwd", "/etc/passwd"])
def test_weights_outside_the_bundle_are_refused(forge, bundle, location, in_node):
    with pytest.raises(UserError, match=r"model\.onnx: keeps weights in files outside the bundle"):
        load(forge({"model.onnx": reading_a_file(bundle, location, in_node)}))


def test_a_network_may_call_a_weight_location(forge, bundle):
    model = onnx.load(bundle / "model.onnx")
    model.graph.doc_string = "the location of the shop"
    assert load(forge({"model.onnx": model.SerializeToString()})).manifest.name == "wine"


def test_pickles_are_never_opened(forge, bundle, marker, payload):
    refused = ("manifest.json", "metrics.json", "config.yaml", "CARD.md", "model.safetensors")
    names = [path.name for path in bundle.iterdir() if path.name not in refused]
    directory = forge(dict.fromkeys(names, payload))
    with pytest.raises(UserError, match=r"schema\.json: not in the format"):
        load(directory)
    assert not marker.exists()


@pytest.mark.parametrize(
    "name",
    [
        "schema.json",
        "preprocess.json",
        "preprocess.safetensors",
        "postprocess.json",
        "model.onnx",
        "golden.parquet",
        "golden.safetensors",
    ],
)
@pytest.mark.parametrize("content", [None, b"", b"{}", b"[]", b"\x80\x04\x95 a pickle", b"null"])
def test_any_part_that_is_wrong_or_missing_is_named(forge, name, content):
    with pytest.raises(UserError, match=name.replace(".", r"\.")):
        load(forge({name: content}))


def test_another_engine_is_refused(forge):
    with pytest.raises(UserError, match="made for the engine 'torchscript'"):
        load(forge({}, engine="torchscript"))


def test_parts_that_do_not_fit_together_are_refused(forge, regressor, tmp_path):
    other = archive.read(regressor.write(tmp_path / "other")).files
    with pytest.raises(BigmodelError, match="the golden batch has"):
        load(forge({"model.onnx": other["model.onnx"]}))


@pytest.mark.parametrize("change", [2e-4, float("nan")])
def test_another_answer_than_the_trained_networks_is_refused(forge, bundle, change):
    reference = load_arrays((bundle / "golden.safetensors").read_bytes())["reference"]
    reference[3, 1] += change
    with pytest.raises(BigmodelError, match=r"differ by up to .* \(golden row 3; 0\.0001 is") as e:
        load(forge({"golden.safetensors": save({"reference": reference})}))
    assert e.value.exit_code == 1


def test_a_small_difference_is_accepted(forge, bundle):
    reference = load_arrays((bundle / "golden.safetensors").read_bytes())["reference"]
    close = save({"reference": reference + np.float64(5e-5)})
    assert load(forge({"golden.safetensors": close})).manifest.name == "wine"


def test_inspect_shows_no_control_characters_and_no_markup(forge, capsys):
    main([str(forge({}, name="\x1b[31mred [bold]wine[/bold]"))])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "[bold]wine[/bold]" in shown


@pytest.mark.parametrize("name", ["schema.json", "metrics.json"])
def test_inspect_names_a_part_that_is_wrong(forge, name):
    with pytest.raises(UserError, match=name):
        main([str(forge({name: b"[1]"}))])
