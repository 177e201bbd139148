"""Each mistake has its line: the place, what is wrong, the closest right name. Exit code 2."""

import subprocess
import sys

import pytest

ONE_LINE = {
    "a mistyped setting": (
        ["model.network.droput=0.1"],
        "command line (model.network.droput=0.1): model.network.droput: "
        "MLP has no such setting; did you mean dropout?",
    ),
    "a wrong type": (
        ["seed=abc"],
        "command line (seed=abc): seed: input should be a valid integer, not 'abc'",
    ),
    "text where a number belongs": (
        ["trainer.max_epochs='3'"],
        "command line (trainer.max_epochs='3'): trainer.max_epochs: "
        "input should be a valid integer, not '3'",
    ),
    "out of range": (
        ["model.network.dropout=1.5"],
        "command line (model.network.dropout=1.5): model.network.dropout: "
        "input should be less than 1, not 1.5",
    ),
    "not one of the choices": (
        ["model.network.norm=btach"],
        "command line (model.network.norm=btach): model.network.norm: "
        "input should be 'batch', 'layer' or 'none', not 'btach'",
    ),
    "not finite": (
        ["model.network.dropout=nan"],
        "command line (model.network.dropout=nan): model.network.dropout: "
        "input should be a finite number, not nan",
    ),
    "a third party's setting": (
        ["trainer.max_epoch=3"],
        "command line (trainer.max_epoch=3): trainer.max_epoch: "
        "Trainer has no such setting; did you mean max_epochs?",
    ),
    "an optimizer's setting": (
        ["optimizer.weigth_decay=0"],
        "command line (optimizer.weigth_decay=0): optimizer.weigth_decay: "
        "AdamW has no such setting; did you mean weight_decay?",
    ),
    "a mistyped preset": (["model=mpl"], "model=mpl: no such config; did you mean model=mlp?"),
    "a mistyped group": (
        ["modle=mlp"],
        "command line (modle=mlp): modle: no such setting; did you mean model?",
    ),
    "a value that is missing": (
        ["data=csv", "data.target=y"],
        "data.path: needs a value; give data.path=... on the command line",
    ),
    "an override that is none": (
        ["data=[csv"],
        "command line (data=[csv): not an override; write key=value, "
        "with quotes around special characters: 'key=\"a, b\"'",
    ),
    "what the entrypoint fills in": (
        ["model.monitor=val/loss"],
        "command line (model.monitor=val/loss): model.monitor: "
        "Task has no such setting; there is label_smoothing, network, text",
    ),
}


@pytest.mark.parametrize("name", ONE_LINE)
def test_a_mistake_on_the_command_line_has_its_line(lines, name):
    overrides, expected = ONE_LINE[name]
    assert [line.removeprefix(_place(line, expected)) for line in lines(*overrides)] == [expected]


def _place(line: str, expected: str) -> str:
    """The place of a shipped file, which is another one on each machine."""
    return line[: -len(expected)] if line.endswith(expected) else ""


FILES = {
    "a mistyped setting": (
        "model/mine.yaml",
        "defaults: [mlp]\nnetwork:\n  hiden: [32]\n",
        ["model=mine"],
        "conf/model/mine.yaml:3: model.network.hiden: "
        "MLP has no such setting; did you mean hidden?",
    ),
    "out of range in a list": (
        "model/mine.yaml",
        "defaults: [mlp]\nnetwork:\n  hidden: [32, 0]\n",
        ["model=mine"],
        "conf/model/mine.yaml:3: model.network.hidden: input should be greater than 0, not [32, 0]",
    ),
    "a third party's class": (
        "model/mine.yaml",
        "_target_: torch.nn.CrossEntropyLoss\nweigth: 3\n",
        ["model=mine"],
        "conf/model/mine.yaml:2: model.weigth: "
        "CrossEntropyLoss has no such setting; did you mean weight?",
    ),
    "a class that takes its settings in __new__": (
        "model/mine.yaml",
        "_target_: torchmetrics.classification.Accuracy\ntask: binary\nmulticlas: 3\n",
        ["model=mine"],
        "conf/model/mine.yaml:3: model.multiclas: Accuracy has no such setting; "
        "there is average, ignore_index, multidim_average, num_classes, num_labels, task, "
        "threshold, top_k, validate_args",
    ),
    "a setting that has to be given": (
        "model/mine.yaml",
        "_target_: torch.nn.Linear\nin_features: 3\n",
        ["model=mine"],
        "conf/model/mine.yaml:1: model.out_features: Linear needs this setting",
    ),
    "a class that is not there": (
        "model/mine.yaml",
        "_target_: torch.nn.Linar\n",
        ["model=mine"],
        "conf/model/mine.yaml:1: model._target_: torch.nn has no Linar; did you mean Linear?",
    ),
    "an interpolation of nothing": (
        "model/mine.yaml",
        "defaults: [mlp]\nlabel_smoothing: ${nowhere.x}\n",
        ["model=mine"],
        "conf/model/mine.yaml:2: model.label_smoothing: Interpolation key 'nowhere.x' not found",
    ),
    "not YAML": (
        "model/mine.yaml",
        "defaults: [mlp]\nnetwork: {hidden: [3}\n",
        ["model=mine"],
        "conf/model/mine.yaml:2: not valid YAML: expected ',' or ']', but got '}'",
    ),
    "an experiment's root key": (
        "experiment/mine.yaml",
        "# @package _global_\nsead: 3\n",
        ["experiment=mine"],
        "conf/experiment/mine.yaml:2: sead: no such setting; did you mean seed?",
    ),
    "a default that is not there": (
        "experiment/mine.yaml",
        "# @package _global_\ndefaults: [override /model: mpl]\n",
        ["experiment=mine"],
        "model/mpl: no such config; did you mean model=mlp?",
    ),
    "trust from a file": (
        "experiment/mine.yaml",
        "# @package _global_\ntrust: [os]\n",
        ["experiment=mine"],
        "conf/experiment/mine.yaml:2: trust: no such setting; there is augment, callbacks, "
        "compression, data, export, learning, logger, model, monitor, name, optimizer, run_dir, "
        "scheduler, search, seed, trainer, weighting",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_mistake_in_a_file_has_its_file_and_line(conf, lines, name):
    file, text, overrides, expected = FILES[name]
    conf(file, text)
    assert expected in lines(*overrides)


def test_all_mistakes_are_said_at_once(conf, lines):
    conf("model/mine.yaml", "defaults: [mlp]\nnetwork:\n  hiden: [32]\n  dropout: 2\n")
    found = lines("model=mine", "optimizer.lrr=1", "trainer.max_epoch=1", "sead=1")
    assert len(found) == 5


def test_a_sweep_is_checked_before_its_first_job(lines):
    found = lines("model=mlp,linear", "model.network.dropout=0.1", "seed=1,x", multirun=True)
    assert "command line (seed=x): seed: input should be a valid integer, not 'x'" in found
    assert any("Linear has no such setting" in line for line in found)


@pytest.mark.slow
def test_a_large_sweep_is_checked_value_by_value(lines):
    many = ",".join(str(n) for n in range(40))
    found = lines(f"seed={many},x", "model=mlp,linear", multirun=True)
    assert found == ["command line (seed=x): seed: input should be a valid integer, not 'x'"]


def test_a_setting_that_no_file_mentions_is_accepted_when_the_code_takes_it(lines):
    assert lines("optimizer.betas=[0.9,0.99]", "trainer.max_steps=3") == []


def test_a_mistake_exits_with_2_and_no_traceback(here):
    command = [sys.executable, "-m", "bigmodel.train", "model.network.droput=0.1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [ONE_LINE["a mistyped setting"][1]]
    assert not (here / "runs").exists()
