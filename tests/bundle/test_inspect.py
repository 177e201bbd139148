import shutil

import pytest

from bigmodel.bundle.inspect import main
from bigmodel.errors import UserError


def test_inspect_shows_head_metrics_files_and_signature(bundle, capsys):
    assert main([str(bundle)]) == 0
    shown = capsys.readouterr().out
    for part in (
        "wine",
        "cultivar",
        "test/accuracy",
        "0.97",
        "model.onnx",
        "verified",
        "not signed",
    ):
        assert part in shown


def test_inspect_refuses_a_damaged_bundle(bundle, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "wine")
    (copy / "metrics.json").write_text("{}")
    with pytest.raises(UserError, match=r"metrics\.json: damaged or altered"):
        main([str(copy)])


@pytest.mark.parametrize("argv", [[], ["one", "two"]])
def test_inspect_wants_one_bundle(argv):
    with pytest.raises(UserError, match="exactly one bundle"):
        main(argv)
