"""After the fit: the second stage, the calibration, and the one look at the test split."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bigmodel.bundle import reference
from bigmodel.bundle.postprocess import Postprocess
from bigmodel.bundle.reference import Answered
from bigmodel.data.splits import TEST, TRAIN, VAL
from bigmodel.data.tables import TableData
from bigmodel.models.task import Task
from bigmodel.training.calibration import fit_temperature, outputs
from bigmodel.training.metrics import split_metrics, weighted_metrics
from bigmodel.training.served import Served
from bigmodel.training.weigh import rows_of
from bigmodel.weighting.groups import by_group, has_long_tail
from bigmodel.weighting.plan import Plan

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Measured:
    """What testing found: the metrics by `<split>/<name>`, and how outputs become answers.

    `answered` is what the answers to the validation rows look like; nothing without such rows.
    """

    metrics: dict[str, float]
    postprocess: Postprocess
    answered: Answered = ()


def finish(model: Task, data: TableData) -> None:
    """The second stage, where the weighting has one: the network is then as it will be served."""
    data.trainer = None  # all rows, not this process's share
    if model.plan.stage is not None:
        note = model.plan.stage(
            model.network, data.in_order(TRAIN), data.in_order(VAL), data.settings.seed
        )
        print(f"weighting: {note}")


def measure(
    model: Task, data: TableData, served: Served | None = None, *, test: bool = True
) -> Measured:
    """Calibrate on validation, then measure validation and `test`.

    The answers are those of the network, or of the compressed file where that will be `served`.
    """
    plan = model.plan
    split = {
        name: (part, *_outputs(model, data, part, served))
        for name, part in (("val", VAL), *([("test", TEST)] if test else []))
    }
    _, output, target = split["val"]
    post = Postprocess(data.prepared.schema.target)
    found: dict[str, float] = {}
    if model.classifies:
        post = calibrate(plan, data, output, target)
        if plan.posthoc is not None:
            print(f"weighting: {plan.posthoc.note(post.offset)}")
        if len(target):
            raw = Postprocess(post.target, offset=post.offset)
            logits = torch.from_numpy(raw.calibrated(output.numpy()))
            found["val/ece_uncalibrated"] = split_metrics(data.spec, logits, target)["ece"]
    for name, (part, output, target) in split.items():
        if len(target):
            values = of_split(plan, post, data, part, output, target)
            found |= {f"{name}/{key}": value for key, value in values.items()}
    return Measured(found, post, _answered(plan, post, data, split["val"][1]))


def _answered(plan: Plan, post: Postprocess, data: TableData, output: Tensor) -> Answered:
    """What the answers to the validation rows look like, from their outputs (n, n_outputs)."""
    given = output.numpy()
    if not len(given):
        return ()
    if not post.target.classes:
        return reference.of_values(post.values(given))
    said = decided(plan, post, data, data.prepared.rows(VAL), given)
    return reference.of_classes(post.target.classes, said, post.probabilities(given))


def _outputs(
    model: Task, data: TableData, part: int, served: Served | None
) -> tuple[Tensor, Tensor]:
    """The outputs (n, n_outputs) and targets (n,) of a split."""
    if served is None or not served.compressed:
        return outputs(model.network, data.in_order(part), model.device)
    rows = data.prepared.rows(part)
    held = served.held.get(part)
    output = served.answer(data.prepared.inputs.rows(rows)) if held is None else held
    return torch.from_numpy(output), torch.from_numpy(data.prepared.target[rows])


def calibrate(plan: Plan, data: TableData, output: Tensor, target: Tensor) -> Postprocess:
    """How logits become answers; the temperature, and a tau to tune, from the validation rows."""
    offset: tuple[float, ...] = ()
    rows = rows_of(data.prepared)
    prior = plan.prior(rows)
    assert prior is not None
    prior = np.maximum(prior, 0.5 / len(rows.train))  # a class that was never seen is not certain
    if plan.posthoc is not None:
        tau = plan.posthoc.tuned(output.numpy(), target.numpy())
        offset = tuple((-tau * plan.posthoc.log_prior).tolist())
        prior = prior ** (1 - tau)
        prior = prior / prior.sum()
    adjusted = output + torch.tensor(offset) if offset else output
    post = Postprocess(
        data.prepared.schema.target,
        fit_temperature(adjusted, target),
        offset,
        prior=tuple((prior / prior.sum()).tolist()),
        costs=plan.costs if plan.decides else None,
    )
    if plan.posthoc is not None and plan.posthoc.target is not None:
        shares = dict(zip(post.target.classes, plan.posthoc.target.tolist(), strict=True))
        post = post.with_prior(shares)
    return post


def of_split(
    plan: Plan, post: Postprocess, data: TableData, part: int, output: Tensor, target: Tensor
) -> dict[str, float]:
    """The metrics of a split (`VAL`, `TEST`), with what the weighting adds to them.

    `output` (n, n_outputs) and `target` (n,) are the network's, in the order of the split's rows.
    """
    rows = rows_of(data.prepared)
    positions = data.prepared.rows(part)
    logits = torch.from_numpy(post.calibrated(output.numpy()))
    if not post.target.classes:
        found = split_metrics(data.spec, logits, target)
        said = None
    else:
        said = logits.argmax(1)
        if plan.costs is not None:
            costs = plan.costs.of(rows.columns, len(rows.target)).at(positions)
            said = torch.from_numpy(decided(plan, post, data, positions, output.numpy()))
            savings = costs.savings(said.numpy(), target.numpy())
        found = split_metrics(data.spec, logits, target, said)
        if plan.costs is not None and np.isfinite(savings):
            found["savings"] = savings
        if has_long_tail(rows.counts):
            found |= by_group(rows.counts, _confusion(said, target, len(rows.classes)))
    if plan.evaluate_weighted and plan.weight is not None:
        weight = torch.from_numpy(plan.weight[positions])
        found |= weighted_metrics(data.spec, logits, target, weight, said)
    return found


def decided(
    plan: Plan,
    post: Postprocess,
    data: TableData,
    positions: NDArray[np.int64],
    output: NDArray[np.floating[Any]],
) -> Codes:
    """The class said of the rows at `positions` (n,): the most probable, or the cheapest."""
    probabilities = post.probabilities(output)
    if plan.costs is None or not plan.decides:
        codes: Codes = probabilities.argmax(1)
        return codes
    rows = rows_of(data.prepared)
    costs = plan.costs.of(rows.columns, len(rows.target)).at(positions)
    return costs.decide(probabilities[:, 1])


def _confusion(said: Tensor, target: Tensor, classes: int) -> NDArray[Any]:
    counts = torch.bincount(target * classes + said, minlength=classes**2)
    return counts.view(classes, classes).numpy()
