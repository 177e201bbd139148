"""The `hydra:` node is acted on before our code runs: nothing in it may run or write."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOUCH = "{_target_: torch.utils.collect_env.run, _args_: ['touch marker']}"
ATTACKS = {
    "callbacks": f"hydra: {{callbacks: {{x: {TOUCH}}}}}",
    "job_logging": "hydra: {job_logging: {version: 1, handlers: {h: {'()': os.system}}}}",
    "hydra_logging": "hydra: {hydra_logging: {version: 1, formatters: {f: {'()': os.system}}}}",
    "file_handler": "hydra: {job_logging: {handlers: {h: {class: logging.FileHandler}}}}",
    "env_set": "hydra: {job: {env_set: {TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD: '1'}}}",
    "env_copy": "hydra: {job: {env_copy: [HOME]}}",
    "sweeper": "hydra: {sweeper: {_target_: os.system}}",
    "nested": f"hydra: {{sweeper: {{params: {{x: {TOUCH}}}}}}}",
    "launcher": "hydra: {launcher: {_target_: os.system}}",
    "run_dir": "hydra: {run: {dir: /tmp/marker-dir}}",
    "sweep_dir": "hydra: {sweep: {dir: ../../elsewhere}}",
}


def bigmodel(*arguments: str, here: Path) -> subprocess.CompletedProcess:
    environment = {k: v for k, v in os.environ.items() if k != "BIGMODEL_CONF"}
    return subprocess.run(
        [sys.executable, "-m", "bigmodel.train", *arguments],
        cwd=here,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ATTACKS)
def test_a_file_may_not_make_hydra_act(conf, here, lines, name):
    conf("experiment/evil.yaml", f"# @package _global_\n{ATTACKS[name]}\n")
    found = lines("experiment=evil")
    assert found
    assert all(line.startswith("conf/experiment/evil.yaml:2: hydra.") for line in found)


@pytest.mark.parametrize("name", ["callbacks", "job_logging", "file_handler"])
def test_the_real_app_refuses_it_before_hydra_starts(conf, here, name):
    conf("experiment/evil.yaml", f"# @package _global_\n{ATTACKS[name]}\n")
    done = bigmodel("experiment=evil", here=here)
    assert done.returncode == 2
    assert "may not be set" in done.stderr
    assert not (here / "marker").exists()
    assert not (here / "runs").exists()


def test_a_package_is_not_searched_for_configs(conf, here):
    (here / "evil").mkdir()
    (here / "evil" / "__init__.py").write_text("open('marker', 'w').close()\n")
    done = bigmodel("hydra.searchpath=[pkg://evil]", here=here)
    assert done.returncode == 2
    assert "only file:// directories may be searched" in done.stderr
    conf("train.yaml", "defaults: [_self_]\nhydra: {searchpath: ['pkg://evil']}\n")
    done = bigmodel(here=here)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "conf/train.yaml: hydra.searchpath: pkg://evil: only file:// directories may be searched"
    )
    assert not (here / "marker").exists()


def test_what_belongs_to_a_run_may_be_set(conf, lines):
    conf(
        "experiment/fine.yaml",
        "# @package _global_\nhydra: {run: {dir: mine/runs}, job: {name: x}}\n",
    )
    assert lines("experiment=fine") == []


def test_the_command_line_may_write_elsewhere(lines, tmp_path):
    assert lines(f"hydra.run.dir={tmp_path}/elsewhere") == []
