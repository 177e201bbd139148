"""From the first line on the screen to the last answer."""

import signal
import socket
import ssl
import subprocess
import threading
import time

import httpx
import pytest
from running import BIGMODEL, serving

PREDICT = "/v1/models/wine/predict"


def command(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([BIGMODEL, *arguments], capture_output=True, text=True, timeout=60)


def test_the_help_says_how_to_serve_and_to_ask():
    shown = command("serve", "--help")
    assert shown.returncode == 0
    for told in (
        "bundle=",
        "serving.host, .port",
        "serving.auth",
        "keys add",
        "/docs",
        "serving.tls",
    ):
        assert told in shown.stdout


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("serving.host=0.0.0.0", "there are no keys; make one with `bigmodel keys add`"),
        ("serving.prot=80", "did you mean port?"),
        ("serving.tls.certificate=nothing.pem", "serving.tls.certificate=nothing.pem: no such"),
        ("name=a/b", "name=a/b: give a name of letters"),
        ("serving.port=99999", "serving.port"),
    ],
)
def test_a_wrong_setting_is_one_line(wine_bundle, tmp_path, setting, told):
    ended = command("serve", f"bundle={wine_bundle}", f"serving.state={tmp_path}", setting)
    assert ended.returncode == 2
    assert told in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_port_that_is_taken_is_one_line(wine_bundle, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        place = [f"serving.state={tmp_path}", f"serving.port={port}"]
        ended = command("serve", f"bundle={wine_bundle}", *place)
    assert ended.returncode == 1
    assert f"serving.port={port}: " in ended.stderr


def test_everybody_may_be_let_in_by_saying_so(wine_bundle, tmp_path):
    open_door = ["serving.host=0.0.0.0", "serving.auth=none", "serving.drain_seconds=0.1"]
    with serving(wine_bundle, tmp_path, *open_door) as server, server.client() as client:
        assert client.get("/v1/models/wine").status_code == 200


def test_with_tls_only_https_is_answered(wine_bundle, tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    made += ["-nodes", "-days", "1", "-subj", "/CN=localhost", "-keyout", str(key)]
    made += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    settings = [f"serving.tls.certificate={certificate}", f"serving.tls.key={key}"]
    with serving(wine_bundle, tmp_path, *settings, "serving.drain_seconds=0.1") as server:
        assert server.url.startswith("https://")
        with server.client(verify=ssl.create_default_context(cafile=certificate)) as client:
            assert client.get("/health/live").status_code == 200
        with pytest.raises(httpx.TransportError):
            httpx.get(server.url.replace("https", "http") + "/health/live", timeout=10)


def test_sigterm_ends_without_a_broken_answer(wine_bundle, rows, tmp_path):
    """Busy callers get every answer; the last one tells them that the connection ends."""
    with serving(wine_bundle, tmp_path, "serving.drain_seconds=5") as server:
        statuses: list[int] = []
        ended: list[bool] = []
        ready = threading.Barrier(5)

        def ask() -> None:
            with httpx.Client(base_url=server.url, timeout=30) as client:
                answer = client.post(PREDICT, json={"rows": rows[:3]})
                ready.wait()
                while answer.headers.get("connection") != "close":
                    answer = client.post(PREDICT, json={"rows": rows[:3]})
                    statuses.append(answer.status_code)
                ended.append(True)

        callers = [threading.Thread(target=ask) for _ in range(4)]
        for caller in callers:
            caller.start()
        ready.wait()
        time.sleep(0.2)  # let them be busy
        assert server.end(signal.SIGTERM) == 0
        for caller in callers:
            caller.join(timeout=30)
    assert ended == [True] * 4
    assert set(statuses) == {200}


def test_a_request_that_was_begun_is_ended(wine_bundle, rows, tmp_path):
    with serving(wine_bundle, tmp_path, "serving.drain_seconds=5") as server:
        place = server.url.removeprefix("http://").split(":")
        body = httpx.Request("POST", server.url, json={"rows": rows[:1]}).read()
        head = f"POST {PREDICT} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
        with socket.create_connection((place[0], int(place[1])), timeout=30) as connection:
            connection.sendall(head.encode() + body[:20])
            with server.client() as client:  # the server has come to the first one, too
                assert client.get("/health/ready").status_code == 200
            server.process.send_signal(signal.SIGTERM)
            connection.sendall(body[20:])
            answer = b""
            while piece := connection.recv(65_536):
                answer += piece
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in answer
        assert server.end() == 0


def test_ctrl_c_ends_it_as_interrupted(wine_bundle, rows, tmp_path):
    with serving(wine_bundle, tmp_path, "serving.drain_seconds=0.1") as server:
        with server.client() as client:
            assert client.post(PREDICT, json={"rows": rows[:1]}).status_code == 200
        assert server.end(signal.SIGINT) == 130
    assert "interrupted; what was begun is ended\n" in server.stderr
