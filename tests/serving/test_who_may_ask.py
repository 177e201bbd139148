"""Every route asks for a key, and for the right one; the table of routes is walked."""

import subprocess

import httpx
import pytest
from running import BIGMODEL, Server, add_key, serving

from bigmodel.serving import keys
from bigmodel.serving.app import ROUTES

# for probes, and what tells nothing of the models
OPEN = {"/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready", "/v2"}
OPEN |= {"/", "/docs"}  # pages, which have no more to tell than their key may ask
LOCKED = [route for route in ROUTES if route.scope is not None]


def path_of(route) -> str:
    """The route's path for the model that there is."""
    return route.path.replace("{name}", "wine").replace("{version}", "1")


def asked_of(service, route, key: str) -> int:
    """The status of the route with this key."""
    with service.server.client(key) as client:
        return client.request(route.method, path_of(route)).status_code


@pytest.fixture(scope="module")
def bad_keys(service) -> dict[str, str]:
    """Keys that are good for nothing, by what is wrong with them."""
    state = service.server.state
    revoked = add_key(state, scopes=keys.SCOPES)
    keys.revoke(state / keys.NAME, keys.read(state / keys.NAME)[-1].id)
    other = "".join("A" if c != "A" else "B" for c in service.full[3:])
    return {
        "forged": keys.PREFIX + other,
        "nearly right": service.full[:-1] + ("A" if service.full[-1] != "A" else "B"),
        "expired": add_key(state, scopes=keys.SCOPES, days=1e-9),
        "revoked": revoked,
    }


def test_only_what_tells_nothing_needs_no_key():
    assert {route.path for route in ROUTES if route.scope is None} <= OPEN


@pytest.mark.parametrize("route", LOCKED, ids=lambda route: f"{route.method} {route.path}")
def test_a_bad_key_opens_no_route(service, bad_keys, route):
    with service.server.client() as client:
        for what, key in {"none": None, **bad_keys}.items():
            for headers in (
                {} if key is None else {"authorization": f"Bearer {key}"},
                {} if key is None else {"x-api-key": key},
                {"authorization": f"Basic {key}"},
                {"authorization": str(key)},
            ):
                answer = client.request(route.method, path_of(route), headers=headers)
                assert answer.status_code == 401, (what, headers)
                assert answer.headers["www-authenticate"] == "Bearer"
                assert answer.json()["error"]["code"].startswith("key_")


@pytest.mark.parametrize("route", LOCKED, ids=lambda route: f"{route.method} {route.path}")
def test_a_key_without_the_scope_opens_no_route(service, route):
    others = [scope for scope in keys.SCOPES if scope != route.scope]
    key = add_key(service.server.state, scopes=others)
    assert (asked_of(service, route, key) == 403) == (route.scope != "any")
    assert asked_of(service, route, service.full) not in (401, 403)


@pytest.mark.parametrize(
    "route", [r for r in LOCKED if "{name}" in r.path], ids=lambda r: f"{r.method} {r.path}"
)
def test_a_key_of_another_model_opens_no_route(service, route):
    key = add_key(service.server.state, scopes=keys.SCOPES, models=["other"])
    with service.server.client(key) as client:
        answer = client.request(route.method, path_of(route))
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "model_forbidden"


def test_two_keys_in_one_request_are_refused(service):
    with service.server.client(service.full, cookies=None) as client:
        answer = client.get("/v1/models/wine", headers={"x-api-key": service.predicting})
    assert answer.status_code == 401


def test_without_keys_no_foreign_page_may_ask(tmp_path, wine_bundle):
    with serving(wine_bundle, tmp_path) as server, server.client() as client:
        assert client.get("/v1/models/wine").status_code == 200
        for headers in ({"origin": "https://evil.example"}, {"host": "evil.example:8080"}):
            answer = client.get("/v1/models/wine", headers=headers)
            assert answer.status_code == 403
            assert answer.json()["error"]["code"] == "foreign_page"
        near = {"origin": "http://localhost:3000"}
        assert client.get("/v1/models/wine", headers=near).status_code == 200


def refused_to_start(bundle, state, *settings: str) -> str:
    """What `bigmodel serve` says when it does not start."""
    command = [BIGMODEL, "serve", f"bundle={bundle}", f"serving.state={state}", *settings]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    return done.stderr


def test_other_machines_are_not_let_in_without_keys(tmp_path, wine_bundle):
    line = refused_to_start(wine_bundle, tmp_path, "serving.host=0.0.0.0", "serving.port=0")
    assert line.startswith("serving.host=0.0.0.0: other machines could ask, and there are no keys")
    with serving(wine_bundle, tmp_path, "serving.host=0.0.0.0", "serving.auth=none") as server:
        assert asked(server).status_code == 200
    key = add_key(tmp_path)
    with serving(wine_bundle, tmp_path, "serving.host=0.0.0.0") as server:
        assert asked(server).status_code == 401
        assert asked(server, authorization=f"bearer {key}").status_code == 200


def asked(server: Server, **headers: str) -> httpx.Response:
    port = server.url.rpartition(":")[2]
    return httpx.get(f"http://127.0.0.1:{port}/v1/models/wine", headers=headers)
