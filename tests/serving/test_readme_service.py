"""The README's lines about the service, run as they stand there."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"
# the server starts in the background: a reader waits for its line before the next command
WAIT = "until curl -s {url}/health/ready > ready.json; do kill -0 $! || exit 1; sleep 0.2; done"
PORT = 8080


def commands() -> str:
    """The first block of commands of the section."""
    section = README.read_text().partition("\n## Service\n")[2]
    return re.search(r"```bash\n(.*?)```", section, re.DOTALL)[1]


def free_port() -> int:
    """The README's, unless something else of this machine has it."""
    for port in (PORT, 0):
        try:
            with socket.create_server(("127.0.0.1", port)) as found:
                return found.getsockname()[1]
        except OSError:
            continue
    raise AssertionError("no port is free")


def test_the_readme_is_right(here):
    port, script = free_port(), commands()
    if port != PORT:
        script = script.replace(f":{PORT}", f":{port}")
        script = script.replace(" &\n", f" serving.port={port} &\n")
    wait = WAIT.format(url=f"http://127.0.0.1:{port}")
    started = script.replace(" &\n", f" 2> log.txt &\ntrap 'kill $!; wait $!' EXIT\n{wait}\n")
    unkeyed = (
        f"\ncurl -s http://127.0.0.1:{port}/v1/models/cancer/predict -d @rows.json > refused.json\n"
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-ec", started + unkeyed],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = [
        json.loads(text) for text in re.findall(r'\{"predictions":.*?\]\}(?=\{|\n|$)', done.stdout)
    ]
    assert len(answers) == 2
    for answer in answers:
        assert answer["predictions"][0]["prediction"] in ("benign", "malignant")
    assert answers[0]["predictions"] == answers[1]["predictions"]
    assert json.loads((here / "refused.json").read_text())["error"]["code"] == "key_missing"
    assert (here / "service" / "keys.json").exists()
