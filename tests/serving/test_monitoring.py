"""What operators see: figures, a log, and dashboards that name only what there is."""

import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from running import Server, add_key, serving

OPS = Path(__file__).resolve().parents[2] / "scripts" / "ops"
PREDICT = "/v1/models/wine/predict"


def figures(server: Server, key: str | None = None) -> dict[tuple, float]:
    """All samples by name and labels."""
    with server.client(key) as client:
        families = list(text_string_to_metric_families(client.get("/metrics").text))
    return {(s.name, *sorted(s.labels.items())): s.value for f in families for s in f.samples}


def total(samples: dict[tuple, float], name: str, **labels: str) -> float:
    """The sum of the samples that have these labels."""
    return sum(
        v for key, v in samples.items() if key[0] == name and set(labels.items()) <= set(key)
    )


def test_what_was_answered_is_counted_and_timed(tmp_path, wine_bundle, rows):
    with serving(wine_bundle, tmp_path) as server, server.client() as client:
        version = client.post(PREDICT, json={"rows": rows[:5]}).json()["model_version"][:12]
        client.post(PREDICT, json={"rows": rows[:2]})
        client.post(PREDICT, content=b"{")
        for _ in range(3):
            client.post("/v1/models/nobody/predict", json={"rows": rows[:2]})
            client.get("/nowhere")
        found = figures(server)
    route = "/v1/models/{name}/predict"
    of = {"route": route, "model": "wine", "version": version}
    assert total(found, "bigmodel_requests_total", status="200", **of) == 2
    assert total(found, "bigmodel_requests_total", status="400", **of) == 1
    assert total(found, "bigmodel_requests_total", status="404", route=route, model="") == 3
    assert total(found, "bigmodel_requests_total", status="404", route="unknown") == 3
    assert total(found, "bigmodel_request_seconds_count", **of) == 3
    assert 0 < total(found, "bigmodel_request_seconds_sum", **of) < 60
    assert total(found, "bigmodel_rows_total", model="wine", version=version) == 7
    assert total(found, "bigmodel_model_info", model="wine", version=version) == 1
    assert total(found, "bigmodel_process_resident_bytes") > 10e6
    assert total(found, "bigmodel_ready") == 1
    assert not any("nobody" in str(key) or "nowhere" in str(key) for key in found)


def test_a_quota_is_shared_by_processes(tmp_path, wine_bundle, rows):
    key = add_key(tmp_path, daily=4)
    with serving(wine_bundle, tmp_path) as one, serving(wine_bundle, tmp_path) as two:
        statuses = []
        for server in (one, two) * 200:  # each learns of the other's requests within seconds
            with server.client(key) as client:
                statuses.append(client.post(PREDICT, json={"rows": rows[:1]}).status_code)
            if statuses[-4:] == [429] * 4:
                break
        assert statuses[-4:] == [429] * 4
        assert 4 <= statuses.count(200) <= 8
        assert set(statuses) == {200, 429}


@pytest.mark.parametrize("given", ["abc-1.X_9", "x" * 64])
def test_a_requests_id_is_kept(service, given):
    answer = service.client.get("/v1/models/wine", headers={"x-request-id": given})
    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", [None, "", "x" * 65, 'a"b', "a b", "ä"])
def test_a_request_without_a_good_id_gets_one(service, given):
    headers = {} if given is None else {"x-request-id": given.encode()}
    first, second = (service.client.get("/nowhere", headers=headers) for _ in range(2))
    assert re.fullmatch("[0-9a-f]{24}", first.headers["x-request-id"])
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


def test_the_log_has_a_line_of_json_for_each_request(tmp_path, wine_bundle, rows):
    key = add_key(tmp_path)
    with serving(wine_bundle, tmp_path) as server, server.client(key) as client:
        version = client.post(
            PREDICT, json={"rows": rows[:3]}, headers={"x-request-id": "mine"}
        ).json()["model_version"]
        client.get("/v1/models/secret-path-of-a-caller")
        assert server.end() == 0
    lines = [line for line in server.log() if line["event"] == "request"]
    key_id = json.loads((tmp_path / "keys.json").read_text())["keys"][0]["id"]
    assert {k: v for k, v in lines[0].items() if k not in ("time", "ms")} == {
        "event": "request",
        "request_id": "mine",
        "method": "POST",
        "route": "/v1/models/{name}/predict",
        "status": 200,
        "model": "wine",
        "version": version[:12],
        "rows": 3,
        "key": key_id,
    }
    assert lines[0]["ms"] > 0
    assert re.fullmatch(r"20\d\d-.*T.*\+00:00", lines[0]["time"])
    assert lines[1]["status"] == 404
    assert "secret-path" not in "".join(server.stderr)


def named_in(text: str) -> set[str]:
    """The metrics that a dashboard or a rule names."""
    return set(re.findall(r"\bbigmodel_[a-z_]+", text))


@pytest.mark.parametrize("name", ["grafana.json", "alerts.yaml"])
def test_dashboards_and_rules_name_what_there_is(service, rows, name):
    with service.client as client:
        client.post(PREDICT, json={"rows": rows[:1]})
        text = client.get("/metrics").text
    families = list(text_string_to_metric_families(text))
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    exist = {f.name + suffix for f in families for suffix in suffixes.get(f.type, ())}
    named = named_in((OPS / name).read_text())
    assert len(named) > 5
    assert named <= exist


def test_dashboards_and_rules_can_be_read():
    board = json.loads((OPS / "grafana.json").read_text())
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    (group,) = yaml.safe_load((OPS / "alerts.yaml").read_text())["groups"]
    assert all({"alert", "expr", "for", "annotations"} <= rule.keys() for rule in group["rules"])
