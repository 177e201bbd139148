"""A config from elsewhere runs nothing and writes nothing: every known attack, for real."""

import json
import os
import subprocess
import sys
from pathlib import Path

import hydra.utils
import pytest
from attacks import ATTACKS, call

from bigmodel.config.check import check
from bigmodel.config.trust import Untrusted, resolve, trusting
from bigmodel.errors import UserError
from bigmodel.training import resume

SCRIPT = Path(__file__).with_name("attacks.py")


@pytest.fixture(scope="module")
def attempts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What became of each attack, each in a process of its own."""
    root = tmp_path_factory.mktemp("attacks")
    environment = {k: v for k, v in os.environ.items() if k != "BIGMODEL_CONF"}
    subprocess.run([sys.executable, SCRIPT, root], check=True, env=environment)
    return root


@pytest.mark.parametrize("number", range(len(ATTACKS)), ids=[a["_target_"] for a in ATTACKS])
def test_an_attack_is_refused_before_anything_runs(attempts, number):
    result = json.loads((attempts / f"{number}.json").read_text())
    assert result["lines"], "the config was accepted"
    assert not result["marker"], "it ran, or wrote a file"
    assert not result["imported"], "a package outside the allowed ones was imported"
    assert all(line.startswith(("conf/model/evil.yaml:", "config")) for line in result["lines"])


def test_without_the_gate_such_an_attack_does_run(here):
    """The control: what the gate refuses is really dangerous."""
    hydra.utils.instantiate(call("torch.utils.collect_env.run", "touch marker"))
    assert Path("marker").exists()


@pytest.mark.parametrize(
    "target",
    [
        "torch.nn.Linear",
        "torch.optim.AdamW",
        "torch.optim.lr_scheduler.StepLR",
        "torchmetrics.Accuracy",
        "pytorch_lightning.callbacks.LearningRateMonitor",
        "pytorch_lightning.loggers.CSVLogger",
        "bigmodel.models.networks.mlp.MLP",
        "bigmodel.training.schedules.cosine",
    ],
)
def test_what_a_config_needs_is_let_through(target):
    if target == "torchmetrics.Accuracy":
        target = "torchmetrics.classification.Accuracy"
    assert callable(resolve(target))


def test_trust_lets_a_package_through_that_the_user_named():
    with pytest.raises(Untrusted, match=r"add trust=\[collections.OrderedDict\]"):
        resolve("collections.OrderedDict")
    with trusting(["collections"]):
        assert resolve("collections.OrderedDict")
    with pytest.raises(Untrusted):
        resolve("collections.OrderedDict")


def test_trust_is_a_package_not_a_prefix_of_its_name():
    with trusting(["coll"]), pytest.raises(Untrusted):
        resolve("collections.OrderedDict")


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("torch.nn.Linea", "torch.nn has no Linea; did you mean Linear?"),
        ("torch.nnn.Linear", "torch.nnn.Linear cannot be imported: No module named 'torch.nnn'"),
        (3, "must be text, not 3"),
        ("Linear", "Linear may not be named in a config; if you trust it, add trust=[Linear]"),
    ],
)
def test_a_target_that_is_not_there_is_said_in_a_line(target, text):
    with pytest.raises(Untrusted) as refused:
        resolve(target)
    assert str(refused.value) == text


BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


def test_aliases_of_a_foreign_file_are_not_unfolded(here):
    (here / "conf" / "data").mkdir(parents=True)
    (here / "conf" / "data" / "bomb.yaml").write_text(BOMB)
    line = "conf/data/bomb.yaml:2: YAML aliases (*a) are not allowed"
    assert check("train", ["data=bomb"]) == [line]
    (here / "conf" / "data" / "bomb.yaml").write_text("# long\n" * 200_000)
    assert check("train", ["data=bomb"]) == [
        "conf/data/bomb.yaml: larger than 1 MB; a config is not that long"
    ]


def test_aliases_of_a_foreign_run_are_not_unfolded(here):
    (here / ".hydra").mkdir()
    (here / ".hydra" / "overrides.yaml").write_text(BOMB)
    with pytest.raises(UserError, match="aliases"):
        resume.overrides([f"trainer.resume={here}"])
