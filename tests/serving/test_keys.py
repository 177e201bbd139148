"""API keys as an operator handles them: shown once, kept as a hash, effective at once."""

import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from running import BIGMODEL, add_key, serving

from bigmodel.serving import keys


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([BIGMODEL, "keys", *arguments], capture_output=True, text=True)


def test_a_key_is_shown_once_and_kept_as_a_hash(tmp_path):
    state = tmp_path / "state"
    done = run("add", "name=shop", "purpose=demo", "models=[wine]", "daily=5", f"state={state}")
    secret = done.stdout.strip()
    assert secret not in done.stderr
    path = state / "keys.json"
    text = path.read_text()
    assert secret not in text
    assert keys.digest_of(secret) in text
    assert path.stat().st_mode & 0o777 == 0o600
    shown = run("list", f"state={state}").stdout
    assert "demo" in shown
    assert "5/day" in shown
    assert secret not in shown
    assert keys.digest_of(secret) not in shown


def test_keys_that_are_added_at_once_are_all_there(tmp_path):
    state = tmp_path / "state"
    path = state / keys.NAME
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda i: keys.add(path, _maker(i))[0].id, range(40)))
    assert sorted(key.id for key in keys.read(path)) == sorted(made)
    assert sorted(p.name for p in state.iterdir()) == ["keys.json", "keys.lock"]


def _maker(number: int):
    return lambda key_id, digest: keys.Key(key_id, f"client {number}", digest, ("predict",))


def test_revoked_keys_stay_in_the_list(tmp_path):
    add_key(tmp_path)
    (key,) = keys.read(tmp_path / keys.NAME)
    assert run("revoke", key.id, f"state={tmp_path}").returncode == 0
    assert "revoked" in run("list", f"state={tmp_path}").stdout


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["ad"], "command line: keys ad: no such word; did you mean add?"),
        (["revoke"], "command line: write bigmodel keys revoke ID [state=DIR]"),
        (["list", "x"], "command line: write bigmodel keys list [state=DIR]"),
        (["add", "name=a", "scope=[predict]"], "no such setting; did you mean scopes?"),
        (["add", "name=a", "scopes=[all]"], "should be 'predict', 'feedback', 'explain' or"),
        (["add", "name=a", "rate=0"], "rate: input should be greater than 0, not 0"),
        (["add"], "name: needs a value"),
    ],
)  # fmt: skip
def test_mistakes_are_a_line(tmp_path, arguments, line):
    done = run(*arguments)
    assert done.returncode == 2
    assert line in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / keys.NAME).write_text('{"format": 1, "keys": [{}]}')
    done = run("list", f"state={tmp_path}")
    assert done.returncode == 2
    assert done.stderr.startswith(f"{tmp_path / keys.NAME}: not a file of keys")


AT_ONCE = 0.02  # seconds: the server looks at the file twice in them


def test_a_running_server_knows_of_all_changes_at_once(tmp_path, wine_bundle, rows):
    path, body = "/v1/models/wine/predict", {"rows": rows[:1]}
    with serving(wine_bundle, tmp_path) as server, server.client() as anyone:
        assert anyone.post(path, json=body).status_code == 200  # before there is a key
        first, second = add_key(tmp_path), add_key(tmp_path)
        time.sleep(AT_ONCE)
        assert anyone.post(path, json=body).status_code == 401
        with server.client(first) as client:
            assert client.post(path, json=body).status_code == 200
            keys.revoke(tmp_path / keys.NAME, keys.read(tmp_path / keys.NAME)[0].id)
            time.sleep(AT_ONCE)
            refused = client.post(path, json=body)
            assert refused.status_code == 401
            assert refused.json()["error"]["code"] == "key_revoked"
        with server.client(second) as client:
            assert client.post(path, json=body).status_code == 200
            (tmp_path / keys.NAME).unlink()  # the door does not open by itself
            time.sleep(AT_ONCE)
            assert client.post(path, json=body).status_code == 401
            assert anyone.post(path, json=body).status_code == 401


def test_a_damaged_file_locks_nobody_out_of_a_running_server(tmp_path, wine_bundle, rows):
    secret = add_key(tmp_path)
    body = {"rows": rows[:1]}
    with serving(wine_bundle, tmp_path) as server, server.client(secret) as client:
        (tmp_path / keys.NAME).write_text("{")
        assert client.post("/v1/models/wine/predict", json=body).status_code == 200
        server.end()
        assert any("not a file of keys" in line.get("message", "") for line in server.log())


def test_no_secret_is_in_the_log_the_errors_or_the_arguments(tmp_path, wine_bundle, rows):
    secret = add_key(tmp_path)
    stranger = keys.PREFIX + "x" * 43
    with serving(wine_bundle, tmp_path) as server:
        for shown in (secret, stranger):
            with server.client(shown) as client:
                answers = [
                    client.post("/v1/models/wine/predict", json={"rows": rows[:1]}),
                    client.post("/v1/models/wine/predict", content=b"{"),
                    client.get("/metrics"),
                    client.get(f"/{shown}?key={shown}", headers={"x-api-key": shown}),
                ]
                assert all(shown not in answer.text for answer in answers)
        arguments = " ".join(server.process.args)
        server.end()
        log = "".join(server.stderr)
        assert "/v1/models/{name}/predict" in log
        for shown in (secret, stranger):
            assert shown not in log + arguments


def test_an_expired_key_is_refused_by_its_time(tmp_path):
    secret = add_key(tmp_path, days=1e-9)
    content = json.loads((tmp_path / keys.NAME).read_text())
    assert content["keys"][0]["expires"] < time.time()
    assert [key.state for key in keys.read(tmp_path / keys.NAME)] == ["expired"]
    assert secret.startswith(keys.PREFIX)
