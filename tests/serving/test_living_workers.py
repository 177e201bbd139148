"""Several workers of a model that keeps learning: one learns, all answer alike."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import httpx
from live_service import FEEDBACK, ask, exactly_once, learnt, log_of, number, served, table, until


def test_workers_agree_and_another_takes_over(live_bundle, tmp_path):
    probe = table(8, seed=9)
    with served(live_bundle, tmp_path, "serving.workers=2") as (server, _):

        def asked():
            """Of some connections, which different workers have: answers, and what is told."""
            found = []
            for _ in range(12):
                with server.client() as one:
                    content, _ = ask(one, probe)
                    found.append((content, learnt(one)))
            return found

        def agreed(above):
            found = asked()
            versions = {number(content) for content, _ in found}
            answers = {str(content["predictions"]) for content, _ in found}
            shared = ("version", "labels", "quality", "weights", "counts", "waiting")
            told = {str([one[name] for name in shared]) for _, one in found}
            agree = len(versions) == len(answers) == len(told) == 1
            return versions if agree and min(versions) > above else None

        (start,) = until(lambda: agreed(-1))
        for seed in range(1, 5):
            with server.client() as one:
                _, body = ask(one, table(16, seed, turned=True))
            with server.client() as one:  # perhaps of the worker that has not answered
                answer = one.post(FEEDBACK, json=body)
                assert answer.json()["learning"]["queued"] == 16, answer.text
        (later,) = until(lambda: agreed(start))
        os.kill(learner_process(log_of(tmp_path)), signal.SIGKILL)
        _, body = until(lambda: asked_again(server, table(16, 7, turned=True)))
        until(lambda: told_again(server, body))
        until(lambda: agreed(later))
    exactly_once(log_of(tmp_path))


def learner_process(log):
    """The process that has the lock, as the system lists it."""
    inode = (log / "learner.lock").stat().st_ino
    for line in Path("/proc/locks").read_text().splitlines():
        parts = line.split()
        if parts[1] == "FLOCK" and parts[5].rpartition(":")[2] == str(inode):
            return int(parts[4])
    raise AssertionError("nobody has it")


def asked_again(server, frame):
    """What `ask` gives; None where the connection was the killed worker's."""
    with suppress(httpx.TransportError), server.client() as client:
        return ask(client, frame)
    return None


def told_again(server, body):
    with server.client() as client:
        answer = client.post(FEEDBACK, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["learning"]["queued"] + answer.json()["learning"]["known"] == 16
