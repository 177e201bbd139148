"""Canary, shadow and rollback, as callers of a real server see them."""

from collections import Counter

import pytest
import versions
from running import serving
from test_swaps import ADMIN, PREDICT, QUICK, answering, eventually

FEEDBACK = "/v1/models/wine/feedback"


@pytest.fixture(scope="module")
def made(wine_bundle, tmp_path_factory):
    """A sound version, the same again, one that is wrong and one that fails on some rows."""
    folder = tmp_path_factory.mktemp("made")
    return {
        "sound": wine_bundle,
        "same": versions.same(wine_bundle, folder / "same", 1),
        "wrong": versions.wrong(wine_bundle, folder / "wrong"),
        "failing": versions.failing(wine_bundle, folder / "failing"),
    }


@pytest.fixture
def shop(made, tmp_path):
    """A server of these, and a client of it; the sound version is stable."""
    registry, named = versions.registry_of(tmp_path / "models", made)
    place = tmp_path / "models"
    with (
        serving(place, tmp_path / "state", *QUICK, what="registry") as server,
        server.client() as client,
    ):
        yield registry, named, client


def of(number: int) -> dict[str, str]:
    """The header of one caller."""
    return {"x-routing-key": f"caller-{number}"}


def test_a_canary_answers_its_share_and_keeps_its_callers(shop, rows):
    _, named, client = shop
    told = client.post(f"{ADMIN}/traffic", json={"canary": named["same"][:12], "percent": 30})
    assert told.json()["percent"] == 30

    def versions_of(callers) -> list[str]:
        body = {"rows": rows[:1]}
        asked = (client.post(PREDICT, json=body, headers=of(caller)) for caller in callers)
        return [answer.json()["model_version"] for answer in asked]

    first = versions_of(range(200))
    counts = Counter(first)
    assert 40 <= counts[named["same"]] <= 80
    assert counts.keys() == {named["sound"], named["same"]}
    client.post(f"{ADMIN}/traffic", json={"percent": 60})
    second = versions_of(range(200))
    assert all(b == a for a, b in zip(first, second, strict=True) if a == named["same"])
    assert second.count(named["same"]) > counts[named["same"]]
    client.post(f"{ADMIN}/traffic", json={"canary": None})
    assert set(versions_of(range(20))) == {named["sound"]}


def test_a_canary_that_is_wrong_is_taken_back_by_its_feedback(shop, wines, rows):
    registry, named, client = shop
    client.post(f"{ADMIN}/traffic", json={"canary": named["wrong"], "percent": 50})
    for number in range(1000):
        at = number % len(rows)
        answer = client.post(PREDICT, json={"rows": [rows[at]]}, headers=of(number)).json()
        body = {"prediction_id": answer["prediction_ids"][0], "label": wines["target"][at]}
        assert client.post(FEEDBACK, json=body).status_code == 200
        if registry.state("wine").canary is None:
            break
    state = registry.state("wine")
    assert (state.canary, state.stable) == (None, named["sound"])
    assert f"{named['wrong'][:12]} was taken back" in state.history[-1].reason
    eventually(lambda: "canary" not in client.get("/v1/models/wine").json()["traffic"])
    assert answering(client) == named["sound"]


def test_a_promoted_version_that_fails_gives_way_to_the_one_before(shop, rows):
    registry, named, client = shop
    broken = {"rows": [versions.breaking(rows[0])]}
    assert client.post(PREDICT, json=broken).status_code == 200
    client.post(f"{ADMIN}/promote", json={"version": named["failing"]})
    statuses = Counter()
    while registry.state("wine").stable == named["failing"]:
        statuses[client.post(PREDICT, json=broken).status_code] += 1
        assert sum(statuses.values()) < 500
    assert statuses[500] == 5  # then the breaker refuses at once
    assert statuses[503] > 0
    eventually(lambda: answering(client) == named["sound"])
    assert client.post(PREDICT, json=broken).status_code == 200
    assert "errors" in registry.state("wine").history[-1].reason


def test_a_shadow_is_compared_and_never_answers(shop, rows):
    registry, named, client = shop
    client.post(f"{ADMIN}/traffic", json={"shadow": named["wrong"]})

    def seen() -> dict:
        answer = client.post(PREDICT, json={"rows": rows[:3]}).json()
        assert answer["model_version"] == named["sound"]
        told = client.get("/v1/models/wine").json()["comparisons"]["shadow"]
        return told["criteria"]["disagreement"]

    eventually(lambda: seen()["count"] >= 5)
    assert seen()["value"] == 1.0
    assert registry.state("wine").shadow == named["wrong"]  # it does no harm: nobody takes it back


def test_a_network_that_fails_is_left_alone_then_tried_again(made, tmp_path, rows):
    with (
        serving(made["failing"], tmp_path, *QUICK) as server,
        server.client() as client,
    ):
        broken = {"rows": [versions.breaking(rows[0])]}
        for _ in range(5):
            assert client.post(PREDICT, json=broken).status_code == 500
        refused = client.post(PREDICT, json={"rows": rows[:1]})
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "model_failing"
        assert int(refused.headers["retry-after"]) >= 1
        eventually(lambda: client.post(PREDICT, json={"rows": rows[:1]}).status_code == 200)
        assert client.post(PREDICT, json={"rows": rows[:1]}).status_code == 200
