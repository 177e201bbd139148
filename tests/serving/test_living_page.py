"""What people see of a model that keeps learning, from its first label on."""

import browser
import pytest
from live_service import FEEDBACK, after, ask, served, table, until

STATUS = "/v1/status"


def test_the_report_has_the_curve_of_all_versions_also_after_a_restart(live_bundle, tmp_path):
    with served(live_bundle, tmp_path) as (_, client):
        for seed in range(5):
            content, body = ask(client, table(16, seed, turned=True))
            client.post(FEEDBACK, json=body)
            after(content, client)
    with served(live_bundle, tmp_path) as (_, client):  # another process: what was is not lost
        told = until(lambda: client.get(STATUS).json().get("versions"))[0]["learning"]
    versions = [one["version"] for one in told["curve"]]
    assert versions == sorted(set(versions))
    assert (versions[0], versions[-1]) == (versions[-1] - 5, told["version"])
    assert told["counts"]["learnt"] == 80
    assert told["curve"][-1]["quality"]["accuracy"] == round(told["quality"]["accuracy"], 4)
    assert told["curve"][-1]["weights"].keys() == told["weights"].keys() != set()
    times = [one["time"] for one in told["curve"]]
    assert times == sorted(times)


@pytest.mark.skipif(browser.PROGRAM is None, reason=browser.MISSING)
def test_the_page_draws_it(live_bundle, tmp_path):
    with served(live_bundle, tmp_path) as (server, client), browser.page(tmp_path / "b") as page:
        page.size(360)
        page.open(server.url)
        assert page.shows("The curves come with the first labels")
        for seed in range(6):
            content, body = ask(client, table(32, seed, turned=True))
            client.post(FEEDBACK, json=body)
            after(content, client)
        assert page.shows("Weights of the experts")
        text = page.run("document.body.innerText")
        for part in ("accuracy, live", "frozen", "last label", "sgd_raw", "Labels learnt 192"):
            assert part in text
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not page.run(wide)
        assert not page.told  # no mistake of the script, nothing that the policy refuses
