"""Versions change while callers ask: no answer is lost, and a bad version never answers."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import versions
from running import Server, add_key, serving

from bigmodel.errors import UserError
from bigmodel.serving import push_command
from bigmodel.serving.registry.storage import Directory

PREDICT, ADMIN = "/v1/models/wine/predict", "/v1/admin/models/wine"
# no request is refused because the machine has other work, too
QUICK = ("serving.drain_seconds=0.1", "serving.room.deadline_seconds=30")


def eventually(true: Callable[[], bool]) -> None:
    """Wait until it is so."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def answering(client: httpx.Client) -> str:
    return client.get("/v1/models/wine").json()["version"]


def problem(client: httpx.Client, version: str) -> str:
    """What is told of a version that does not answer."""
    told: dict = {}

    def found() -> bool:
        told.update(client.get("/v1/models/wine").json()["problems"])
        return version in told

    eventually(found)
    listed = client.get("/v1/models/wine/versions").json()["versions"]
    assert told[version] in [one["problem"] for one in listed if one["version"] == version]
    return told[version]


@contextmanager
def asking(server: Server, rows: list, callers: int = 3) -> Iterator[list[httpx.Response]]:
    """Callers that ask without a pause; all their answers."""
    answers: list[httpx.Response] = []
    ended = threading.Event()

    def ask() -> None:
        with server.client() as client:
            while not ended.is_set():
                answers.append(client.post(PREDICT, json={"rows": rows[:2]}))

    threads = [threading.Thread(target=ask) for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@pytest.fixture
def three(wine_bundle, tmp_path):
    """A registry with three versions of one model."""
    made = {n: versions.same(wine_bundle, tmp_path / n, int(n)) for n in "012"}
    return versions.registry_of(tmp_path / "models", made)


def test_swaps_under_load(three, tmp_path, rows):
    registry, made = three
    with (
        serving(tmp_path / "models", tmp_path / "state", *QUICK, what="registry") as server,
        server.client() as client,
    ):
        with asking(server, rows) as answers:
            for step in range(1, 9):  # by the API and by the command line in turn
                version = made[str(step % 3)]
                if step % 2:
                    told = client.post(f"{ADMIN}/promote", json={"version": version[:12]})
                    assert told.json()["stable"] == version
                else:
                    registry.edit("wine", lambda state: state.promoted(version, "test"))  # noqa: B023
                    eventually(lambda: answering(client) == version)  # noqa: B023
                asked = len(answers)
                eventually(lambda: len(answers) > asked + 6)  # noqa: B023
            told = client.post(f"{ADMIN}/rollback")
            assert told.json()["stable"] == made["1"]
        last = client.post(PREDICT, json={"rows": rows[:2]})
    assert {answer.status_code for answer in answers} == {200}
    seen = {answer.json()["model_version"] for answer in answers}
    assert seen == set(made.values())
    assert last.json()["model_version"] == made["1"]
    first = answers[0].json()["predictions"]  # the versions are one network
    assert all(answer.json()["predictions"] == first for answer in answers)


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(bytes(raw))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-500])


def test_a_bad_version_never_answers(three, tmp_path, wine_bundle, rows):
    registry, made = three
    storage = Directory(tmp_path / "models")

    def rename(schema):
        schema["target"]["classes"] = ["a", "b", "c"]

    other = versions.with_schema(wine_bundle, tmp_path / "other", rename)
    wrong = registry.add(other, "wine")[1]
    missing = "f" * 64
    flip(registry.path("wine", made["1"]))
    cut(registry.path("wine", made["2"]))
    bad = {
        made["1"]: "damaged",
        made["2"]: "not a bundle",
        wrong: "has the classes a, b, c, not class_0",
        missing: "is not there",
    }
    state = tmp_path / "state"
    with (
        serving(tmp_path / "models", state, *QUICK, what="registry") as server,
        server.client() as client,
        asking(server, rows, 1) as answers,
    ):
        for version, told in bad.items():
            refused = client.post(f"{ADMIN}/promote", json={"version": version})
            assert refused.status_code == (404 if version == missing else 409)
            assert registry.state("wine").stable == made["0"]  # was not moved
            registry.edit("wine", lambda s: s.promoted(version, "by hand"))  # noqa: B023
            assert told in problem(client, version)
            assert answering(client) == made["0"]
            registry.edit("wine", lambda s: s.promoted(made["0"], "back"))
        forced = client.post(f"{ADMIN}/promote", json={"version": wrong, "force": True})
        assert forced.json()["stable"] == wrong
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["model_version"] for answer in answers} >= {made["0"]}
    said = " ".join(str(line.get("message")) for line in server.log())
    for told in bad.values():
        assert told in said
    assert storage.models() == ["wine"]


def test_a_server_starts_with_what_answered_before_when_the_stable_one_is_damaged(
    three, tmp_path, rows
):
    registry, made = three
    registry.edit("wine", lambda state: state.promoted(made["1"], "test"))
    path, state = registry.path("wine", made["1"]), tmp_path / "state"
    cut(path)
    operator, caller = (add_key(state, scopes=scopes) for scopes in (["admin"], ["predict"]))
    with (
        serving(tmp_path / "models", state, *QUICK, what="registry") as server,
        server.client(operator) as above,
        server.client(caller) as client,
    ):
        assert client.post(PREDICT, json={"rows": rows[:1]}).json()["model_version"] == made["0"]
        told = client.get("/v1/models/wine").json()
        assert told["wanted"] == {"stable": made["1"]}
        assert "not a bundle" in told["problems"][made["1"]]
        assert problem(client, made["1"]).startswith(f"{path.name}: ")  # not where it is
        assert problem(above, made["1"]).startswith(f"{path}: ")


def test_a_slow_version_never_answers(three, tmp_path):
    with serving(
        tmp_path / "models", tmp_path / "state", *QUICK,
        "serving.room.deadline_seconds=1e-6", what="registry",
    ) as server, server.client() as client:  # fmt: skip
        assert client.get("/v1/models/wine").status_code == 404
        server.end(signal.SIGTERM)
        assert "too slow" in " ".join(str(line.get("message")) for line in server.log())


def test_a_pushed_bundle_answers(three, wine_bundle, tmp_path, rows, monkeypatch, capsys):
    registry, made = three
    state = tmp_path / "state"
    monkeypatch.setenv("BIGMODEL_KEY", add_key(state, scopes=["admin", "predict"]))
    pushed = versions.same(wine_bundle, tmp_path / "pushed", 9)
    with serving(tmp_path / "models", state, *QUICK, what="registry") as server:
        version = push_command.push(str(pushed), server.url, promote=True)
        with server.client(os.environ["BIGMODEL_KEY"]) as client:
            answer = client.post(PREDICT, json={"rows": rows[:1]}).json()
            assert answer["model_version"] == version
            broken = client.post(f"{ADMIN}/push", content=b"PK nothing")
            assert broken.status_code == 409
            assert "not a bundle" in broken.json()["error"]["message"]
        push_command.push(str(pushed), server.url, name="second", promote=True)
        monkeypatch.setenv("BIGMODEL_KEY", add_key(state, scopes=["predict"]))
        with pytest.raises(UserError, match="no scope 'admin'"):
            push_command.push(str(pushed), server.url)
    assert registry.state("wine").stable == registry.state("second").stable == version
    assert registry.state("wine").previous == (made["0"],)
    assert f"{version[:12]} answers" in capsys.readouterr().out


def test_a_server_of_one_bundle_says_how_to_change_versions(service):
    with service.client as client:
        refused = client.post(f"{ADMIN}/promote", json={})
    assert refused.status_code == 409
    assert "registry=DIR" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("word", "body", "status", "field"),
    [
        ("promote", {}, 422, "version"),
        ("promote", {"version": "abc"}, 404, "version"),
        ("promote", {"version": 3}, 422, "version"),
        ("promote", {"version": "0", "forse": True}, 422, "forse"),
        ("rollback", {"reason": 3}, 422, "reason"),
        ("rollback", {}, 409, None),
        ("traffic", {"percent": 10}, 409, None),
        ("traffic", {"percent": 101}, 422, "percent"),
        ("traffic", {"percent": "10"}, 422, "percent"),
        ("traffic", {"canary": []}, 422, "canary"),
        ("traffic", [], 422, None),
    ],
)
def test_mistakes_of_operators(operated, word, body, status, field):
    refused = operated.post(f"{ADMIN}/{word}", json=body)
    assert refused.status_code == status, refused.text
    assert refused.json()["error"]["field"] == field


def test_a_bundle_that_is_larger_than_allowed_is_not_read(operated):
    refused = operated.post(f"{ADMIN}/push", content=b"x" * 2000)
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "body_too_large")


def test_the_document_has_what_operators_may_ask(operated):
    told = operated.get("/openapi.json").json()["paths"]
    for word in ("promote", "rollback", "traffic", "push"):
        assert "409" in told[f"{ADMIN}/{word}"]["post"]["responses"]
    example = told[f"{ADMIN}/promote"]["post"]["requestBody"]["content"]["application/json"]
    assert operated.post(f"{ADMIN}/promote", json=example["example"]).status_code == 200


@pytest.fixture(scope="module")
def operated(wine_bundle, tmp_path_factory):
    """A client of a server whose registry has one version."""
    folder = tmp_path_factory.mktemp("operated")
    versions.registry_of(folder / "models", {"0": wine_bundle})
    place, small = folder / "models", "serving.limits.push_bytes=1000"
    with (
        serving(place, folder / "state", *QUICK, small, what="registry") as server,
        server.client() as client,
    ):
        yield client
