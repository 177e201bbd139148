"""`scripts/stream_demo.py`, on a short stream whose classes change places."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from live_service import table

DEMO = Path(__file__).resolve().parents[2] / "scripts" / "stream_demo.py"


@pytest.mark.slow
def test_it_learns_is_killed_goes_on_and_replays(live_bundle, tmp_path):
    parts = [table(96, 5), table(288, 6, turned=True)]
    pd.concat(parts).to_csv(tmp_path / "stream.csv", index=False)
    given = ["--first", "0", "--kill", "--bundle", live_bundle, "--out", tmp_path / "out"]
    command = [sys.executable, DEMO, tmp_path / "stream.csv", "label", *given]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "bit for bit" in done.stdout
    figures = next(line for line in done.stdout.splitlines() if line.startswith("live "))
    live, frozen = (float(part.split()[1].rstrip("%")) for part in figures.split("  ")[:2])
    assert live > frozen + 10
    assert (tmp_path / "out" / "stream.svg").read_text().count("</svg>") == 1
