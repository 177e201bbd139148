"""What a request may decide beside its rows, and what that changes."""

import numpy as np
import pytest
from sklearn.datasets import load_wine

import bigmodel

PREDICT = "/v1/models/wine/predict"


def ask(service, rows, **parameters) -> list[dict]:
    with service.client as client:
        answer = client.post(PREDICT, json={"rows": rows, "parameters": parameters})
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"]


def test_another_prior_gives_what_the_library_gives_for_it(service, rows, wine_bundle):
    prior = {"class_0": 1, "class_1": 6, "class_2": 3}
    given = ask(service, rows[:50], prior=prior)
    frame = load_wine(as_frame=True).data.head(50)
    wanted = bigmodel.load(wine_bundle).predict(frame, prior=prior)
    assert [one["prediction"] for one in given] == wanted["prediction"].tolist()
    shares = [one["probabilities"]["class_1"] for one in given]
    np.testing.assert_allclose(shares, wanted["probability/class_1"], atol=1e-6)


def test_the_most_probable_classes_come_first(service, rows):
    for one, all_ in zip(ask(service, rows, top_k=2), ask(service, rows), strict=True):
        ranked = sorted(all_["probabilities"].items(), key=lambda item: -item[1])
        assert list(one["probabilities"].items()) == ranked[:2]
        assert one["prediction"] == all_["prediction"] == ranked[0][0]


def test_probabilities_can_be_left_out(service, rows):
    assert ask(service, rows[:1], probabilities=False) == [
        {"prediction": ask(service, rows[:1])[0]["prediction"]}
    ]


def test_what_a_request_decides_is_gone_with_it(service, rows):
    before = ask(service, rows[:3])
    ask(service, rows[:3], prior={"class_0": 1, "class_1": 1000, "class_2": 1})
    assert ask(service, rows[:3]) == before


def test_the_model_names_its_parameters(service):
    with service.client as client:
        told = client.get("/v1/models/wine").json()
    assert set(told["parameters"]) == {"probabilities", "top_k", "prior", "abstain_below"}
    assert told["parameters"]["top_k"]["maximum"] == len(told["classes"]) == 3


@pytest.mark.parametrize("threshold", [0, 0.3, 1])
def test_a_threshold_decides_between_two_classes(two_classes, threshold):
    server, wanted, content = two_classes
    content = content | {"parameters": {"threshold": threshold}}
    with server.client() as client:
        given = client.post("/v1/models/binary/predict", json=content).json()["predictions"]
    yes = wanted["probability/yes"] >= threshold
    assert [one["prediction"] for one in given] == ["yes" if one else "no" for one in yes]


def test_an_unsure_answer_says_so(service, rows, two_classes):
    plain = ask(service, rows[:40])
    sure = [max(one["probabilities"].values()) for one in plain]
    least = sorted(sure)[20]
    given = ask(service, rows[:40], abstain_below=least)
    assert [one["abstains"] for one in given] == [share < least for share in sure]
    assert [one["prediction"] for one in given] == [one["prediction"] for one in plain]
    assert not any("abstains" in one for one in plain)
    server, *_ = two_classes
    with server.client() as client:
        path = "/v2/models/binary"
        tensors = client.get("/openapi.json").json()["paths"][f"{path}/infer"]["post"]
        content = tensors["requestBody"]["content"]["application/json"]["example"]
        for least, abstains in ((0, False), (1, True)):
            body = content | {"parameters": {"abstain_below": least}}
            outputs = client.post(f"{path}/infer", json=body).json()["outputs"]
            (told,) = [one for one in outputs if one["name"] == "abstains"]
            assert (told["datatype"], told["data"]) == ("BOOL", [abstains])
