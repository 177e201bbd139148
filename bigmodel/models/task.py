"""The one LightningModule: any network, any task, lean enough to keep up with a bare loop."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import torch
from annotated_types import Ge, Lt
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from bigmodel.config.runtime import Runtime
from bigmodel.data.batch import Batch, ask, together
from bigmodel.data.spec import ModelSpec
from bigmodel.data.text.reader import Reader
from bigmodel.errors import UserError
from bigmodel.models.build import build
from bigmodel.training.metrics import SplitMetrics, from_confusion
from bigmodel.training.steps import total_steps
from bigmodel.weighting.losses import CrossEntropy, SquaredError
from bigmodel.weighting.plan import Plan
from bigmodel.weighting.stages import head_of

__all__ = ["Task"]


class Task(LightningModule):
    """Trains `network` on a table, for classification or regression.

    `network` is called as `models/build.py` says to build the nn.Module; it gives (n, n_outputs),
    or while it trains (n, k, n_outputs) when it is an ensemble of k, each with its own loss.
    `optimizer` is called with the parameters; `scheduler` with the optimizer, the number of steps
    and epochs of the whole fit, and the monitored metric.

    Classification uses one output per class (two for binary) and cross-entropy, with
    `label_smoothing`; regression one output, the standardised target, and squared error. `plan`
    may bring another loss and head. `text` is how the network reads text columns: for the data,
    which is prepared before.

    Training metrics are summed in buffers and computed once an epoch: logging each step would
    cost more than the step.
    """

    loss_sum: Tensor
    confusion: Tensor

    def __init__(
        self,
        network: Callable[..., nn.Module],
        *,
        spec: Annotated[ModelSpec, Runtime()],
        optimizer: Annotated[Callable[..., torch.optim.Optimizer], Runtime()],
        scheduler: Annotated[Callable[..., dict[str, Any]] | None, Runtime()] = None,
        monitor: Annotated[str, Runtime()],
        plan: Annotated[Plan | None, Runtime()] = None,
        label_smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0,
        text: Reader | None = None,
    ) -> None:
        super().__init__()
        del text
        self.plan = plan or Plan()
        self.network = build(network, spec, self.plan.weight)
        if self.plan.head is not None:
            self.network.head = self.plan.head(head_of(self.network, "this loss"))
        if self.plan.stage is not None:
            head_of(self.network, "a second stage")  # refused now, not after the fit
        if not self.trains and (self.plan.loss or self.plan.sampler or self.plan.early is not None):
            raise UserError(
                f"weighting: {type(self.network).__name__} is not trained step by step: it takes "
                "weights, and no loss, order or schedule; use weighting=inverse, "
                "logit_adjust_posthoc or none"
            )
        self.spec = spec
        self.monitor = monitor
        make_loss = self.plan.loss or CrossEntropy
        self.loss = (
            make_loss(label_smoothing=label_smoothing) if self.classifies else SquaredError()
        )
        self.make_optimizer = optimizer
        self.make_scheduler = scheduler
        self.val_metrics = SplitMetrics(spec)
        cells = spec.n_outputs**2 if self.classifies else 0
        self.register_buffer("loss_sum", torch.zeros(2))  # sum of losses, number of batches
        self.register_buffer("confusion", torch.zeros(cells, dtype=torch.int64))

    @property
    def classifies(self) -> bool:
        """Whether the target is a class."""
        return self.spec.task != "regression"

    @property
    def trains(self) -> bool:
        """Whether anything is left to learn by gradient."""
        return any(parameter.requires_grad for parameter in self.network.parameters())

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning sets this one some fifty times a step; nn.Module's checks cost 0.1 ms of it
        if name == "_current_fx_name":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """What the network gives: logits (n, n_outputs), or the standardised value (n, 1)."""
        return ask(self.network, inputs)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The mean over the batch of each row's loss times its weight.

        Divided by the number of rows, never by the sum of weights: a batch of rare rows has to
        count for more than one of common rows.
        """
        output = ask(self.network, batch.inputs)  # not self(...): its hooks cost on every step
        losses = self.losses(output, batch)
        loss = (losses if batch.weight is None else losses * batch.weight).mean()
        with torch.no_grad():
            self.loss_sum[0] += loss
            self.loss_sum[1] += 1
            if self.classifies:
                cells = batch.target * self.spec.n_outputs + together(output).argmax(1)
                self.confusion += torch.bincount(cells, minlength=len(self.confusion))
        return loss

    def losses(self, output: Tensor, batch: Batch) -> Tensor:
        """The loss of each row of the batch, (n,), without its weight."""
        losses = self._losses(output, batch.target)
        if batch.other is not None and batch.share is not None:
            losses = torch.lerp(self._losses(output, batch.other), losses, batch.share)
        return losses

    def _losses(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss of each row, (n,); of an ensemble's (n, k, n_outputs) the mean over the k."""
        if output.dim() == 2:
            return self.loss(output, target)  # type: ignore[no-any-return]
        members = output.shape[1]
        each: Tensor = self.loss(output.flatten(0, 1), target.repeat_interleave(members))
        return each.view(-1, members).mean(1)

    def on_train_epoch_end(self) -> None:
        """Log the epoch's training loss and what follows from its confusion matrix."""
        self.log("train/loss", self.loss_sum[0] / self.loss_sum[1], sync_dist=True)
        if self.classifies:
            side = self.spec.n_outputs
            for name, value in from_confusion(self.confusion.view(side, side)).items():
                self.log(f"train/{name}", value.float(), sync_dist=True)
        self.loss_sum.zero_()
        self.confusion.zero_()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect what the validation metrics need."""
        self.val_metrics.update(self(batch.inputs).float(), batch.target)

    def on_validation_epoch_end(self) -> None:
        """Log `val/...`, over all rows of all processes."""
        for name, value in self.val_metrics.compute().items():
            self.log(f"val/{name}", value.float())
        self.val_metrics.reset()

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip by the norm of all gradients.

        Lightning refuses this for fused optimizers in any mixed precision; only float16, whose
        gradients are scaled, has a reason to.
        """
        if self.trainer.precision == "16-mixed" or gradient_clip_algorithm == "value":
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
        elif gradient_clip_val:
            nn.utils.clip_grad_norm_(self.network.parameters(), gradient_clip_val)

    def configure_optimizers(self) -> Any:
        """The optimizer and, when there is one, its schedule."""
        optimizer = self.make_optimizer(self.network.parameters())
        if self.make_scheduler is None:
            return optimizer
        schedule = self.make_scheduler(
            optimizer,
            steps=total_steps(self.trainer),
            epochs=self.trainer.max_epochs,
            monitor=self.monitor,
        )
        return {"optimizer": optimizer, "lr_scheduler": schedule}
