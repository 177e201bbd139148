"""The page at `/`, as a person has it: in a browser, on a phone, with a key, when all is gone."""

import json
import re
import signal
from collections.abc import Iterator

import browser
import httpx
import pytest
import versions
from running import Server, add_key, serving
from test_drift import PREDICT, until

from bigmodel.serving.page import html_page

STATUS = "/v1/status"
WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"

with_browser = pytest.mark.skipif(browser.PROGRAM is None, reason=browser.MISSING)


def report(server: Server, key: str | None = None) -> dict:
    with server.client(key) as client:
        return client.get(STATUS).json()


def counted(told: dict) -> tuple[int, int] | None:
    """The requests of a report, and the rows that its drift is judged by."""
    return told and (told["traffic"]["requests"], told["versions"][0]["drift"]["rows"])


# the report


def test_the_report_is_for_operators_and_the_page_for_everybody(service):
    with service.server.client(service.predicting) as client:
        assert client.get(STATUS).status_code == 403
    with service.server.client() as client:
        assert client.get(STATUS).status_code == 401
        page = client.get("/")
    with service.client as client:
        assert client.get(STATUS).status_code == 200
    assert page.status_code == 200
    assert "wine" not in page.text


def test_the_page_needs_nothing_from_elsewhere_and_may_ask_nobody_else(service):
    page = httpx.get(service.server.url)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert set(re.findall(r"https?://[\w.]+", page.text)) <= {"http://www.w3.org"}  # of SVG


def test_the_page_is_one_that_everybody_can_read():
    text = html_page("status.html").body.decode()
    assert '<html lang="en">' in text
    assert 'name="viewport" content="width=device-width' in text
    for field in re.findall(r'<input id="(\w+)"', text):
        assert f'<label for="{field}">' in text
    assert "prefers-color-scheme: dark" in text
    assert "prefers-reduced-motion: no-preference" in text
    assert 'style="' not in text  # the policy would refuse it


def test_the_report_tells_traffic_errors_and_no_payloads(tmp_path, wine_bundle, rows):
    with serving(wine_bundle, tmp_path) as server, server.client() as client:
        for row in rows[:20]:
            client.post(PREDICT, json={"rows": [row]})
        refused = client.post(
            PREDICT, json={"rows": [{"secret": "of a caller"}]}, headers={"x-request-id": "mine"}
        )
        assert refused.status_code == 422
        client.get("/secret-path")
        assert until(lambda: report(server).get("traffic", {}).get("requests") == 21)
        told = report(server)
    assert told["versions"][0]["traffic"]["requests"] == 21
    assert told["versions"][0]["label"] == "stable"
    assert told["traffic"]["refused"] == pytest.approx(1 / 21)
    assert 0 < told["traffic"]["p50_seconds"] <= told["traffic"]["p99_seconds"] < 10
    assert sum(one["requests_per_second"] for one in told["traffic"]["history"]) > 0
    assert [(e["status"], e["code"]) for e in told["errors"]] == [
        (404, "no_such_path"),
        (422, "invalid"),
    ]
    assert told["errors"][1]["request_id"] == "mine"
    assert told["now"]["process_resident_bytes"] > 1e7
    assert "secret" not in json.dumps(told)


def test_two_processes_tell_one_report(tmp_path, wine_bundle, rows):
    with serving(wine_bundle, tmp_path) as one, serving(wine_bundle, tmp_path) as two:
        for server in (one, two):
            with server.client() as client:
                client.post(PREDICT, json={"rows": rows[:5]})
                client.get("/nowhere")
        for server in (one, two):
            assert until(lambda s=server: report(s).get("traffic", {}).get("requests") == 2)
            told = report(server)
            assert told["processes"] == 2
            assert len(told["errors"]) == 2
            assert told["versions"][0]["drift"]["rows"] == 10
        one.end(signal.SIGKILL)  # whichever judged: the other one goes on
        before = told["time"]
        assert until(lambda: report(two)["time"] > before and report(two)["processes"] == 1, 60)


def test_the_report_has_the_versions_as_the_registry_wants_them(tmp_path, wine_bundle, rows):
    made = {name: versions.same(wine_bundle, tmp_path / name, int(name)) for name in "12"}
    registry, known = versions.registry_of(tmp_path / "models", made)
    registry.edit("wine", lambda state: state.with_canary(known["2"], 50.0))
    place = tmp_path / "models"
    with serving(place, tmp_path / "state", what="registry") as server, server.client() as client:
        for caller in range(20):
            headers = {"x-request-id": f"caller-{caller}"}
            client.post(PREDICT, json={"rows": rows[:1]}, headers=headers)
        assert until(lambda: report(server).get("traffic", {}).get("requests") == 20)
        told, shown = report(server), client.get("/v1/models/wine").json()
    names = ("traffic", "wanted", "problems")
    assert told["models"] == {"wine": {name: shown[name] for name in names}}
    assert told["models"]["wine"]["traffic"]["percent"] == 50.0
    parts = {one["version"]: one for one in told["versions"]}
    assert {version: one["label"] for version, one in parts.items()} == {
        known["1"]: "stable",
        known["2"]: "canary",
    }
    assert all(one["traffic"]["requests"] > 0 for one in parts.values())


def test_workers_tell_one_report(tmp_path, wine_bundle, rows):
    settings = ("serving.workers=2", "serving.room.deadline_seconds=30")
    with serving(wine_bundle, tmp_path, *settings) as server:
        for _ in range(20):
            with server.client() as client:
                assert client.post(PREDICT, json={"rows": rows[:5]}).status_code == 200
                assert client.get("/nowhere").status_code == 404
        assert until(lambda: counted(report(server)) == (20, 100), 60)
        told = report(server)  # of the other worker, perhaps: it says the same
    assert counted(told) == (20, 100)
    assert told["processes"] == 2
    assert len(told["errors"]) == 20


# the page


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Iterator[browser.Page]:
    with browser.page(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@with_browser
def test_the_page_shows_how_the_service_does_from_its_first_second_to_its_end(
    page, tmp_path, wine_bundle, wines, rows
):
    shifted = [{**row, "ash": row["ash"] + 1.0} for row in rows]
    page.size(1100)
    with serving(wine_bundle, tmp_path, "serving.monitor.rows=200") as server:
        page.open(server.url)
        assert page.shows("No predictions were asked for")
        assert page.shows("No feedback yet")
        assert page.shows("Nothing was refused")
        with server.client() as client:
            for _ in range(2):
                answer = client.post(PREDICT, json={"rows": shifted}).json()
            labels = zip(answer["prediction_ids"], wines["target"], strict=True)
            told = [{"prediction_id": one, "label": label} for one, label in labels]
            client.post(PREDICT.replace("predict", "feedback"), json={"feedback": told})
            client.get("/nowhere", headers={"x-request-id": "a-request-of-mine"})
        for text in ("alarm: ash of wine", "accuracy", "a-request-of-mine", "no such path"):
            assert page.shows(text)
        for width, scheme in ((360, "light"), (360, "dark"), (1100, "dark")):
            page.size(width, scheme=scheme)
            assert not page.run(WIDE)
        pictures = "[...document.querySelectorAll('svg')].every(s => s.getAttribute('aria-label'))"
        assert page.run(pictures)
        server.end(signal.SIGKILL)
        assert page.shows("The service does not answer")
        assert page.shows("accuracy")  # what was last known stays
    told = [line for line in page.told if "ERR_CONNECTION" not in line]
    assert told == []  # nothing that the policy refuses, no mistake of the script


@with_browser
def test_the_page_shows_whom_a_canary_answers_and_why_a_version_does_not(
    page, tmp_path, wine_bundle
):
    made = {name: versions.same(wine_bundle, tmp_path / name, int(name)) for name in "123"}
    registry, known = versions.registry_of(tmp_path / "models", made)
    registry.path("wine", known["3"]).write_bytes(b"torn")
    registry.edit("wine", lambda now: now.with_canary(known["2"], 25.0).with_shadow(known["3"]))
    with serving(tmp_path / "models", tmp_path / "state", what="registry") as server:
        page.open(server.url)
        for text in ("1 version does not answer", "25 % of the callers", known["3"][:12]):
            assert page.shows(text)


@with_browser
def test_where_there_are_keys_the_page_asks_for_one_and_forgets_it_with_the_tab(
    page, tmp_path, wine_bundle
):
    key, weak = add_key(tmp_path, scopes=["admin"]), add_key(tmp_path)

    def give(text: str) -> None:
        page.run(f"document.getElementById('key').value = {json.dumps(text)}")
        page.run("document.querySelector('form button').click()")

    page.size(360)
    with serving(wine_bundle, tmp_path) as server:
        page.open(server.url)
        assert page.shows("This service asks for a key")
        give("wrong")
        assert page.shows("This key is not known")
        give(weak)
        assert page.shows("This key may not see the status")
        give(key)
        assert page.shows("No predictions were asked for")
        assert not page.run(WIDE)
        assert page.run("localStorage.length") == 0
        assert "key" not in page.run("location.href")
        page.open(server.url)  # the same tab
        assert page.shows("No predictions were asked for")


@with_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_texts_stand_out_from_the_ground(page, scheme, tmp_path):
    """Contrast of WCAG 2.1: 4.5 to 1 for texts."""
    page.size(360, scheme=scheme)
    (tmp_path / "status.html").write_bytes(html_page("status.html").body)
    page.open((tmp_path / "status.html").as_uri())
    script = "getComputedStyle(document.documentElement).getPropertyValue('--%s').trim()"
    assert until(lambda: page.run("location.protocol + document.readyState") == "file:complete")
    colours = {name: page.run(script % name) for name in ("ground", "ink", "soft", "accent")}
    for name in ("ink", "soft", "accent"):
        high, low = sorted((luminance(colours[name]), luminance(colours["ground"])), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, name


def luminance(colour: str) -> float:
    """Relative, of `#rrggbb`."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
