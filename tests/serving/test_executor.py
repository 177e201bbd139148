"""Wherever the work is done, the answers are the same, and a bad row spoils no other's answer."""

import asyncio

import httpx
import pytest
from running import serving


async def at_once(url: str, bodies: list[dict]) -> list[httpx.Response]:
    """All requests together, over connections of their own."""
    limits = httpx.Limits(max_connections=len(bodies))
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30) as client:
        asked = [client.post("/v1/models/wine/predict", json=body) for body in bodies]
        return await asyncio.gather(*asked)


@pytest.mark.parametrize("mode", ["inline", "queue", "threads"])
def test_each_mode_answers_many_at_once_and_refuses_only_the_bad(
    mode, service, wine_bundle, rows, tmp_path
):
    with service.client as client:
        answer = client.post("/v1/models/wine/predict", json={"rows": rows})
        wanted = [one["prediction"] for one in answer.json()["predictions"]]
    bodies = [{"rows": rows[at : at + 1 + at % 3]} for at in range(0, 60)]
    for at in range(0, 60, 5):
        bodies[at] = {"rows": [*rows[:2], {**rows[2], "ash": "bad"}]}
    settings = [f"serving.executor={mode}", "serving.drain_seconds=0.1"]
    settings.append("serving.room.deadline_seconds=60")  # this is not about a busy machine
    with serving(wine_bundle, tmp_path, *settings) as server:
        with server.client() as client:
            assert client.get("/v1/models/wine").json()["executor"] == mode
        answers = asyncio.run(at_once(server.url, bodies))
    for at, answer in enumerate(answers):
        if at % 5 == 0:
            assert answer.status_code == 422
            continue
        assert answer.status_code == 200, answer.text
        given = [one["prediction"] for one in answer.json()["predictions"]]
        assert given == wanted[at : at + 1 + at % 3]


def test_a_slow_model_refuses_what_would_only_wait(wine_bundle, rows, tmp_path):
    settings = ["serving.executor=threads", "serving.waiting=1", "serving.drain_seconds=0.1"]
    bodies = [{"rows": [rows[0]] * 4000}] * 40
    with serving(wine_bundle, tmp_path, *settings, "serving.room.deadline_seconds=60") as server:
        answers = asyncio.run(at_once(server.url, bodies))
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {200, 503}
    for answer in answers:
        if answer.status_code == 503:
            assert answer.json()["error"]["code"] == "busy"
            assert answer.headers["retry-after"] == "1"
