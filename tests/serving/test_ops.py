"""The unit and the image: what they start is there, and starts with what they install."""

import configparser
import json
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx
import pytest
from pydantic import TypeAdapter
from running import Server
from test_drift import until

from bigmodel.config.compose import settings
from bigmodel.serving.settings import Serving

ROOT = Path(__file__).resolve().parents[2]
OPS = ROOT / "scripts" / "ops"
IMAGE = (OPS / "Containerfile").read_text().replace("\\\n", " ")

# imports what was named, what that needs, and nothing else
ONLY = """
import re, sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

def plain(name):
    return re.split(r"[^A-Za-z0-9._-]", name)[0].lower().replace("_", "-").replace(".", "-")

there, more = {"bigmodel"}, sys.argv[1].split(",")
while more:
    name = plain(more.pop())
    if name not in there:
        there.add(name)
        with suppress(PackageNotFoundError):  # for another version of Python
            more += [need for need in requires(name) or () if "extra ==" not in need]
of = {top: {plain(name) for name in names} for top, names in packages_distributions().items()}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if of.get(name.partition(".")[0], there) & there:
            return None
        raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Refuse())
from bigmodel.serve import main
sys.exit(main(sys.argv[2:]))
"""


def rows_watched(client: httpx.Client) -> int:
    """Rows that were compared with training; 0 before the first report."""
    versions = client.get("/v1/status").json().get("versions", [])
    return versions[0]["drift"]["rows"] if versions else 0


def unit() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read_string((OPS / "bigmodel.service").read_text())
    return parser["Service"]


def started() -> dict[str, list[str]]:
    command = re.search(r"^CMD (\[.*\])$", IMAGE, re.MULTILINE)
    return {"unit": unit()["ExecStart"].split()[1:], "image": json.loads(command[1])}


def installed() -> list[str]:
    return re.search(r"-c constraints.txt +([a-z -]+?) +&&", IMAGE)[1].split()


@pytest.mark.parametrize("where", ["unit", "image"])
def test_what_is_started_can_be_said(where):
    verb, *given = started()[where]
    assert verb == "serve"
    composed = TypeAdapter(Serving).validate_python(settings("serve", given)["serving"])
    assert composed.workers == 2


def test_the_unit_ends_later_than_what_was_begun():
    default = settings("serve", ["bundle=none"])["serving"]
    assert (
        int(unit()["TimeoutStopSec"])
        > default["drain_seconds"] + default["limits"]["body_seconds"] + 10
    )
    assert "HUP" in unit()["ExecReload"]


def test_the_image_has_what_serving_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    known = {re.split("[^a-z-]", d)[0] for d in project["dependencies"]}
    serving = {re.split("[^a-z-]", d)[0] for d in project["optional-dependencies"]["serve"]}
    assert serving <= set(installed()) <= known | serving
    assert "torch" not in installed()


def test_it_serves_with_what_the_image_has_alone(wine_bundle, rows, tmp_path):
    command = [sys.executable, "-c", ONLY, ",".join(installed()), f"bundle={wine_bundle}"]
    command += [f"serving.state={tmp_path}", "serving.port=0", "serving.drain_seconds=0.1"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        try:
            server = Server(process, tmp_path)
            with server.client() as client:
                answer = client.post("/v1/models/wine/predict", json={"rows": rows[:2]})
                assert answer.status_code == 200
                assert client.get("/metrics").status_code == 200
                assert until(lambda: rows_watched(client) == 2)
            assert server.end(signal.SIGTERM) == 0
        finally:
            process.kill()
