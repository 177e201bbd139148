"""Metrics must be scikit-learn's, to the digit, and batch by batch the same as at once."""

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from bigmodel.data.spec import ModelSpec
from bigmodel.training.metrics import SplitMetrics, split_metrics


def spec(task, classes=(), scale=1.0):
    return ModelSpec(
        n_numeric=1,
        cardinalities=(),
        task=task,
        n_outputs=len(classes) or 1,
        classes=classes,
        train_rows=100,
        scale=scale,
    )


@pytest.mark.parametrize("k", [2, 4])
def test_classification_agrees_with_scikit_learn(k):
    generator = np.random.default_rng(k)
    target = generator.integers(0, k, 500)
    logits = generator.normal(size=(500, k)) + 1.5 * np.eye(k)[target]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    found = split_metrics(
        spec("multiclass", tuple("abcd"[:k])), torch.tensor(logits), torch.tensor(target)
    )
    label = probabilities.argmax(1)
    scores = probabilities[:, 1] if k == 2 else probabilities
    expected = {
        "accuracy": reference.accuracy_score(target, label),
        "balanced_accuracy": reference.balanced_accuracy_score(target, label),
        "macro_f1": reference.f1_score(target, label, average="macro"),
        "auroc": reference.roc_auc_score(target, scores, multi_class="ovr"),
        "log_loss": reference.log_loss(target, probabilities),
        "f1/a": reference.f1_score(target == 0, label == 0),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-6)


def test_ece_is_the_gap_between_confidence_and_accuracy():
    logits = torch.tensor([[0.0, np.log(0.8 / 0.2)]]).repeat(10, 1)  # 80 % sure of class 1
    target = torch.tensor([1] * 5 + [0] * 5)  # right half of the time
    assert split_metrics(spec("binary", ("no", "yes")), logits, target)["ece"] == pytest.approx(
        0.3, abs=1e-6
    )


def test_a_class_that_does_not_occur_is_left_out_of_the_means():
    target = torch.tensor([0, 0, 1, 1])
    logits = 5 * torch.eye(3)[target]
    found = split_metrics(spec("multiclass", ("a", "b", "c")), logits, target)
    assert found["balanced_accuracy"] == found["macro_f1"] == found["auroc"] == 1.0


def test_auroc_is_left_out_where_it_is_not_defined():
    found = split_metrics(
        spec("multiclass", ("a", "b", "c")), torch.randn(4, 3), torch.zeros(4, dtype=torch.long)
    )
    assert "auroc" not in found
    assert found["accuracy"] >= 0


def test_regression_is_in_the_units_of_the_target():
    target, output = torch.randn(50), torch.randn(50)
    found = split_metrics(spec("regression", scale=10.0), output[:, None], target)
    assert found["rmse"] == pytest.approx(
        10 * reference.root_mean_squared_error(target, output), rel=1e-5
    )
    assert found["mae"] == pytest.approx(
        10 * reference.mean_absolute_error(target, output), rel=1e-5
    )
    assert found["r2"] == pytest.approx(reference.r2_score(target, output), abs=1e-5)


def test_batches_add_up_to_the_whole():
    logits, target = torch.randn(100, 3), torch.randint(0, 3, (100,))
    metrics = SplitMetrics(spec("multiclass", ("a", "b", "c")))
    for rows in torch.arange(100).split(17):
        metrics.update(logits[rows], target[rows])
    whole = split_metrics(metrics.spec, logits, target)
    assert {k: float(v) for k, v in metrics.compute().items()} == pytest.approx(
        {k: whole[k] for k in metrics.compute()}, abs=1e-5
    )
