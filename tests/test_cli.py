"""The command line as a user types it: answers, exit codes, and nothing heavy imported."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from sklearn.datasets import load_digits

import bigmodel
from bigmodel import cli
from bigmodel.evaluate import Labelled, evaluate

BIGMODEL = str(Path(sys.executable).with_name("bigmodel"))


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [BIGMODEL, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["list"], 0),
        (["list", "modell"], 2),
        (["trian"], 2),
        (["train", "model=mpl"], 2),
        (["copy", "model/mpl"], 2),
        (["cache"], 0),
        (["keys", "list"], 0),
    ],
)
def test_quick_answers_import_nothing_heavy(here, arguments, code):
    done = run(*arguments, PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == code
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert imported.isdisjoint({"torch", "pytorch_lightning", "pandas", "torchmetrics"})


def test_help_names_every_verb(capsys):
    assert cli.dispatch(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {verb} " in shown for verb in cli.VERBS)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["trian"], "command line: trian: no such verb; did you mean train?"),
        (["list", "modell"], "modell: no such group; did you mean model?"),
        (["copy", "model/mpl"], "model/mpl: model has no such preset; did you mean mlp?"),
        (["copy"], "command line: write bigmodel copy GROUP/NAME"),
        (["cache", "claer"], "command line: cache claer: no such word; did you mean clear?"),
    ],
)
def test_a_mistyped_word_gets_the_closest_one(here, capsys, arguments, line):
    assert cli.guarded(lambda: cli.dispatch(arguments)) == 2
    assert capsys.readouterr().err == line + "\n"


def test_list_describes_every_preset(here, capsys):
    cli.dispatch(["list"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert all(len(line.split(maxsplit=1)) == 2 for line in lines), "a preset has no description"
    assert any(line.split()[0] == "mlp" for line in lines)
    assert not any(line.split()[0].startswith("_") for line in lines)


def test_a_copied_preset_is_the_users_own(here, capsys):
    cli.dispatch(["copy", "model/mlp"])
    copied = here / "conf" / "model" / "mlp.yaml"
    copied.write_text(copied.read_text().replace("dropout: 0.2", "dropout: 7"))
    assert cli.guarded(lambda: cli.dispatch(["check"])) == 2
    assert "conf/model/mlp.yaml:9: model.network.dropout: " in capsys.readouterr().err
    assert cli.guarded(lambda: cli.dispatch(["copy", "model/mlp"])) == 2


def test_a_users_experiment_composes_with_the_shipped_groups(here, capsys):
    experiment = here / "conf" / "experiment" / "mine.yaml"
    experiment.parent.mkdir(parents=True)
    experiment.write_text(
        "# @package _global_\ndefaults: [override /model: linear, override /data: wine]\n"
        "trainer: {max_epochs: 2}\nname: mine\n"
    )
    assert cli.guarded(lambda: cli.dispatch(["train", "experiment=mine"])) == 0
    (run_dir,) = (here / "runs" / "mine").iterdir()
    assert (run_dir / "bundle" / "manifest.json").exists()


def test_a_sweep_runs_every_combination(here):
    done = run(
        "train",
        "-m",
        "data=wine",
        "model=mlp,linear",
        "optimizer.lr=1e-3,1e-2",
        "trainer.max_epochs=1",
    )
    assert done.returncode == 0, done.stderr
    assert len(list((here / "sweeps").glob("*/*/[0-9]/metrics.json"))) == 4


def test_evaluate_finds_the_metrics_of_training(here, digits_run, capsys):
    splits = pd.read_parquet(digits_run.run_dir / "splits.parquet")
    rows = splits.loc[splits["split"] == "test", "row"]
    frame = load_digits(as_frame=True).frame.loc[rows]
    frame.to_csv("test.csv", index=False)
    found = evaluate(str(digits_run.bundle), Labelled("test.csv"), chunk_rows=100)
    for name in ("accuracy", "macro_f1", "auroc", "log_loss", "ece", "f1/3"):
        assert found[name] == pytest.approx(digits_run.metrics[f"test/{name}"], abs=1e-4)
    cli.dispatch(["evaluate", f"bundle={digits_run.bundle}", "data.path=test.csv"])
    assert "accuracy" in capsys.readouterr().out


def test_inspect_shows_a_bundle(digits_run, capsys):
    assert cli.dispatch(["inspect", str(digits_run.bundle)]) == 0
    assert "not signed" in capsys.readouterr().out


def test_the_library_needs_no_import_of_torch_to_be_there():
    code = "import bigmodel, sys; bigmodel.load; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_an_unknown_attribute_of_the_library_is_an_error():
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        bigmodel.fitt  # noqa: B018


def test_a_full_disk_is_one_line_and_another_mistake_of_ours_is_not_hidden(capsys):
    def fail(code: int) -> int:
        raise OSError(code, os.strerror(code), "runs/x/.hydra/config.yaml")

    assert cli.guarded(lambda: fail(errno.ENOSPC)) == 1
    line = "runs/x/.hydra/config.yaml: No space left on device; free some space or use another one"
    assert capsys.readouterr().err == line + "\n"
    with pytest.raises(FileNotFoundError):
        cli.guarded(lambda: fail(errno.ENOENT))


def test_the_cache_is_shown_and_emptied(here, monkeypatch, capsys):
    monkeypatch.setenv("BIGMODEL_CACHE", str(here / "cache"))
    rows = "".join(f"{i},{i % 7},{'ab'[i % 2]}\n" for i in range(60))
    (here / "table.csv").write_text(f"x,z,y\n{rows}")
    settings = ["data=csv", "data.path=table.csv", "data.target=y", "trainer.max_epochs=1"]
    bigmodel.fit(settings)
    capsys.readouterr()
    assert cli.dispatch(["cache"]) == 0
    assert f"{here / 'cache'}: 1 tables, 0.0 MB" in capsys.readouterr().out
    assert cli.dispatch(["cache", "clear"]) == 0
    assert "freed" in capsys.readouterr().out
    cli.dispatch(["cache"])
    assert ": 0 tables" in capsys.readouterr().out


def test_a_reader_who_stops_reading_is_no_error(here):
    done = subprocess.run(
        ["bash", "-c", f"{BIGMODEL} list | true"], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
