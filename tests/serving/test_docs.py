"""What the service tells of itself: a document, and a page that shows it."""

import httpx


def test_each_example_of_the_document_is_answered(service):
    with service.client as client:
        paths = client.get("/openapi.json").json()["paths"]
        for path, methods in paths.items():
            for method, told in methods.items():
                content = told.get("requestBody", {}).get("content", {})
                example = content.get("application/json", {}).get("example")
                answer = client.request(method, path, json=example)
                assert answer.status_code == 200, (path, answer.text)
    assert {"/v1/models/wine/predict", "/v2/models/wine/infer"} <= set(paths)


def test_the_example_is_made_up_and_no_row_of_the_data(service, rows):
    with service.client as client:
        example = client.get("/v1/models/wine/example").json()["rows"][0]
    assert example.keys() == rows[0].keys()
    assert example not in rows


def test_the_page_needs_nothing_from_elsewhere_and_tells_nothing_of_the_models(service):
    with httpx.Client(base_url=service.server.url) as client:
        page = client.get("/docs")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "://" not in page.text
    assert "wine" not in page.text


def test_the_card_and_the_versions(service):
    with service.client as client:
        card = client.get("/v1/models/wine/card")
        told = client.get("/v1/models/wine").json()
        versions = client.get("/v1/models/wine/versions").json()["versions"]
        inferred = client.get(f"/v2/models/wine/versions/{told['version']}/ready")
    assert card.text.startswith("# wine")
    assert card.headers["content-type"].startswith("text/markdown")
    assert [one["version"] for one in versions] == [told["version"]]
    assert inferred.json() == {"name": "wine", "ready": True}
