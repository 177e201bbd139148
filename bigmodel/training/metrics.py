"""What is measured on a split: the same numbers in training, in the report and in `evaluate`."""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric, MeanSquaredError, Metric, R2Score
from torchmetrics.classification import (
    BinaryAUROC,
    MulticlassAUROC,
    MulticlassCalibrationError,
    MulticlassConfusionMatrix,
)
from torchmetrics.regression import MeanAbsoluteError

from bigmodel.data.spec import ModelSpec

ECE_BINS = 15


def from_confusion(confusion: Tensor) -> dict[str, Tensor]:
    """Accuracy, balanced accuracy and macro F1 of a confusion matrix (rows: truth).

    Balanced accuracy is the mean recall of the classes that occur; macro F1 the mean over those
    that occur or are predicted. Both as in scikit-learn.
    """
    confusion = confusion.double()
    hits, truth, predicted = confusion.diag(), confusion.sum(1), confusion.sum(0)
    recall, f1 = hits / truth, 2 * hits / (truth + predicted)
    return {
        "accuracy": hits.sum() / confusion.sum(),
        "balanced_accuracy": recall[truth > 0].mean(),
        "macro_f1": f1[truth + predicted > 0].mean(),
    }


class SplitMetrics(nn.Module):
    """Collects network outputs batch by batch; `compute` gives the split's metrics.

    Classification: accuracy, balanced_accuracy, macro_f1, auroc (one class against the rest,
    mean over the classes that occur), log_loss (nats), ece (15 bins of equal width).
    Regression: rmse and mae in the target's own units, r2.

    With `sync`, `compute` is over the rows of all processes, and each of them has to call it.
    """

    def __init__(self, spec: ModelSpec, *, sync: bool = True) -> None:
        super().__init__()
        self.spec = spec
        self.metrics = nn.ModuleDict(_metrics(spec, sync))

    def update(self, output: Tensor, target: Tensor, said: Tensor | None = None) -> None:
        """Add rows: outputs (n, n_outputs) and targets (n,), both as the network has them.

        `said` (n,) are the answers where they are not the most probable classes.
        """
        if self.spec.task == "regression":
            for metric in self._metric.values():
                metric.update(output[:, 0], target)
            return
        log_probabilities = output.log_softmax(1)
        probabilities = log_probabilities.exp()
        self._metric["confusion"].update(probabilities if said is None else said, target)
        self._metric["auroc"].update(probabilities[:, 1] if self._binary else probabilities, target)
        self._metric["log_loss"].update(-log_probabilities.gather(1, target[:, None]))
        self._metric["ece"].update(probabilities, target)

    def compute(self) -> dict[str, Tensor]:
        """The metrics over all rows since the last reset."""
        values = {name: metric.compute() for name, metric in self._metric.items()}
        if self.spec.task == "regression":
            return values | {name: values[name] * self.spec.scale for name in ("rmse", "mae")}
        confusion = values.pop("confusion")
        if not self._binary:
            occurs = (confusion.sum(1) > 0) & (confusion.sum(1) < confusion.sum())
            values["auroc"] = values["auroc"][occurs].mean()
        return from_confusion(confusion) | values

    def per_class(self) -> dict[str, Tensor]:
        """F1 of each class, `f1/<label>`; empty for regression."""
        if self.spec.task == "regression":
            return {}
        confusion = self._metric["confusion"].compute().double()
        f1 = 2 * confusion.diag() / (confusion.sum(0) + confusion.sum(1)).clamp(min=1)
        return {f"f1/{name}": f1[i] for i, name in enumerate(self.spec.classes)}

    def reset(self) -> None:
        """Forget all rows."""
        for metric in self._metric.values():
            metric.reset()

    @property
    def _metric(self) -> dict[str, Metric]:
        return cast(dict[str, Metric], self.metrics)

    @property
    def _binary(self) -> bool:
        return self.spec.n_outputs == 2


def _metrics(spec: ModelSpec, sync: bool) -> dict[str, Metric]:
    if spec.task == "regression":
        return {
            "rmse": MeanSquaredError(squared=False, sync_on_compute=sync),
            "mae": MeanAbsoluteError(sync_on_compute=sync),
            "r2": R2Score(sync_on_compute=sync),
        }
    k = spec.n_outputs
    given: dict[str, Any] = {"validate_args": False, "sync_on_compute": sync}
    return {
        "confusion": MulticlassConfusionMatrix(k, **given),
        "auroc": BinaryAUROC(**given) if k == 2 else MulticlassAUROC(k, average="none", **given),
        "log_loss": MeanMetric(sync_on_compute=sync),
        "ece": MulticlassCalibrationError(k, ECE_BINS, **given),
    }


def split_metrics(
    spec: ModelSpec, output: Tensor, target: Tensor, said: Tensor | None = None
) -> dict[str, float]:
    """All metrics of a whole split at once, per-class F1 included, as plain numbers.

    A metric that is not defined on these rows (auroc with one class) is left out.
    """
    metrics = SplitMetrics(spec, sync=False).to(output.device)
    metrics.update(output, target, said)
    values = metrics.compute() | metrics.per_class()
    return finite(values)


def finite(values: dict[str, Tensor]) -> dict[str, float]:
    """The metrics that are defined, as plain numbers."""
    return {name: float(value) for name, value in values.items() if torch.isfinite(value)}


def weighted_metrics(
    spec: ModelSpec, output: Tensor, target: Tensor, weight: Tensor, said: Tensor | None = None
) -> dict[str, float]:
    """The metrics to which each row counts by its weight, (n,), as `weighted_<name>`.

    Classification: what follows from the confusion matrix, and log_loss. Regression: rmse, mae.
    """
    weight = weight.double()
    if spec.task == "regression":
        off = (output[:, 0] - target).double() * spec.scale
        square, absolute = ((weight * x).sum() / weight.sum() for x in (off**2, off.abs()))
        values = {"rmse": square.sqrt(), "mae": absolute}
    else:
        losses = nn.functional.cross_entropy(output.double(), target, reduction="none")
        cells = target * spec.n_outputs + (output.argmax(1) if said is None else said)
        confusion = torch.bincount(cells, weight, minlength=spec.n_outputs**2)
        values = from_confusion(confusion.view(spec.n_outputs, -1))
        values["log_loss"] = (weight * losses).sum() / weight.sum()
    return finite({f"weighted_{name}": value for name, value in values.items()})
