"""Workers come and go: what their supervisor does about it, with workers that do nothing else."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

SUPERVISOR = """
import sys
from bigmodel.config.compose import settings
from bigmodel.serving import supervisor
from bigmodel.serving.settings import Serving
from pydantic import TypeAdapter
from bigmodel.cli import guarded

given = settings("serve", ["bundle=none", "serving.port=0", "serving.workers=2", *sys.argv[3:]])
supervisor.START_SECONDS = float(sys.argv[2])
supervisor.FIRST_PAUSE = 0.05
serving = TypeAdapter(Serving).validate_python(given["serving"])
sys.exit(guarded(lambda: supervisor.supervise(serving, [sys.executable, "-c", sys.argv[1]])))
"""
# says its number and process, then runs what a test adds, then waits for the end of its line
WORKER = """
import os, signal, socket, sys, time
from pathlib import Path
number, workers, listener, line, accounts = map(int, os.environ["BIGMODEL_WORKER"].split())
line = socket.socket(fileno=line)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("worker", number, os.getpid(), flush=True)
{before}
line.sendall(b'{{"ready": "nothing"}}\\n')
{after}
line.recv(1)
"""


class Running:
    """A supervisor in a process of its own."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.process = process

    def line(self, pattern: str) -> re.Match:
        """The next line that it writes, which is to be like this."""
        line = self.process.stdout.readline()
        found = re.match(pattern, line)
        assert found, line
        return found

    def worker(self) -> tuple[int, int]:
        """The number and the process of the worker that has started now."""
        found = self.line(r"worker (\d) (\d+)")
        return int(found[1]), int(found[2])

    def end(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, list[str]]:
        """Its exit code, and the messages in its log."""
        self.process.send_signal(how)
        errors = self.process.communicate(timeout=60)[1].splitlines()
        return self.process.returncode, [
            json.loads(line)["message"] if line.startswith("{") else line for line in errors
        ]


@contextmanager
def supervising(
    *settings: str, before: str = "", after: str = "", start: float = 60, **environment: str
):
    worker = WORKER.format(before=before, after=after)
    command = [sys.executable, "-c", SUPERVISOR, worker, str(start)]
    process = subprocess.Popen(
        [*command, *settings], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | environment,
    )  # fmt: skip
    try:
        yield Running(process)
    finally:
        process.kill()
        process.communicate()


def gone(process: int) -> bool:
    """Whether a process ends, within a minute."""
    for _ in range(600):
        with suppress(FileNotFoundError):
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.1)
                continue
        return True
    return False


def test_all_end_with_it():
    with supervising() as running:
        workers = [running.worker(), running.worker()]
        assert [number for number, _ in workers] == [1, 2]
        running.line("serving nothing at http://127.0.0.1:")
        assert running.end() == (0, [])
        assert all(gone(process) for _, process in workers)


def test_when_it_is_killed_the_workers_end():
    with supervising() as running:
        workers = [running.worker(), running.worker()]
        running.process.kill()
        assert all(gone(process) for _, process in workers)


def test_a_reload_replaces_one_after_another():
    with supervising() as running:
        old = [running.worker()[1], running.worker()[1]]
        running.line("serving")
        running.process.send_signal(signal.SIGHUP)
        first, second = running.worker(), running.worker()
        assert [first[0], second[0]] == [1, 2]
        assert gone(old[0])
        assert not set(old) & {first[1], second[1]}
        code, told = running.end()
        assert code == 0
        assert set(told) <= {"all workers are new"}
        assert gone(old[1])


def test_a_new_worker_that_fails_leaves_the_old_ones(tmp_path):
    """Of a mistake that was made meanwhile; once it is mended, another reload replaces them."""
    mistake = tmp_path / "mistake"
    with supervising(before=f"sys.exit(2) if Path({str(mistake)!r}).exists() else 0") as running:
        old = [running.worker()[1], running.worker()[1]]
        running.line("serving")
        mistake.touch()
        running.process.send_signal(signal.SIGHUP)
        failed = running.worker()
        assert gone(failed[1])
        mistake.unlink()
        running.process.send_signal(signal.SIGHUP)
        running.worker()
        assert gone(old[0])
        running.worker()
        code, told = running.end()
    assert code == 0
    assert told[0] == "the new worker 1 did not start: the old ones answer on"


def test_a_worker_that_ends_by_itself_is_replaced():
    with supervising() as running:
        first, second = running.worker(), running.worker()
        running.line("serving")
        os.kill(second[1], signal.SIGKILL)
        number, process = running.worker()
        assert number == 2
        assert process != second[1]
        code, told = running.end()
    assert code == 0
    assert told == ["worker 2 ended by itself (SIGKILL); another one comes"]
    assert gone(first[1])


def test_one_that_fails_again_and_again_is_started_less_and_less_often(tmp_path):
    fails = f"sys.exit(7) if number == 2 and Path({str(tmp_path / 'ill')!r}).exists() else 0"
    with supervising(before=fails) as running:
        running.worker()
        _, second = running.worker()
        running.line("serving")
        (tmp_path / "ill").touch()
        os.kill(second, signal.SIGKILL)
        for _ in range(3):
            assert running.worker()[0] == 2
        (tmp_path / "ill").unlink()
        assert running.worker()[0] == 2
        code, told = running.end()
    assert code == 0
    pauses = [float(line.split()[-2]) for line in told if "did not start; again in" in line]
    assert pauses[:3] == [0.1, 0.2, 0.4]


def test_one_that_does_not_get_ready_is_killed(tmp_path):
    hangs = f"time.sleep(99) if number == 2 and not Path({str(tmp_path / 'on')!r}).exists() else 0"
    with supervising(before=hangs, start=5) as running:
        running.worker()
        _, second = running.worker()
        (tmp_path / "on").touch()
        assert running.worker()[0] == 2
        assert gone(second)
        running.line("serving")
        code, told = running.end()
    assert code == 0
    assert told[0] == "worker 2 is not ready after 5 s: killed"


@pytest.mark.parametrize("code", [1, 2])
def test_a_first_worker_that_fails_ends_it(code):
    with supervising(before=f"print('why', file=sys.stderr); sys.exit({code})") as running:
        running.worker()
        errors = running.process.communicate(timeout=60)[1]
    assert (running.process.returncode, errors) == (code, "why\n")


def test_ctrl_c_is_told():
    with supervising() as running:
        running.worker()
        running.worker()
        running.line("serving")
        code, told = running.end(signal.SIGINT)
    assert (code, told) == (130, ["interrupted; what was begun is ended"])


def test_its_end_while_it_starts():
    with supervising(before="time.sleep(60)") as running:
        _, process = running.worker()
        assert running.end() == (0, [])
        assert gone(process)


def test_systemd_hears_of_it(tmp_path):
    place = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(place)
        told.settimeout(60)
        with supervising(NOTIFY_SOCKET=place) as running:
            assert told.recv(1000) == b"READY=1"
            running.process.send_signal(signal.SIGHUP)
            assert told.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert told.recv(1000) == b"READY=1"
            assert running.end()[0] == 0
            assert told.recv(1000) == b"STOPPING=1"
