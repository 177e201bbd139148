"""TabM: an ensemble of perceptrons that share nearly all of their weights, trained as one.

Gorishniy, Kotelnikov and Babenko 2025 (arXiv 2410.24210); the network is that of their package.
"""

from collections.abc import Callable
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt
from torch import Tensor, nn

from bigmodel.data.schema import Task
from bigmodel.models.build import Part
from bigmodel.models.networks.ensemble import comparable, mixed
from bigmodel.models.networks.numbers import Numbers, table_inputs

__all__ = ["TabM"]

ARCHITECTURES = {"full": "tabm", "mini": "tabm-mini", "packed": "tabm-packed"}


class TabM(nn.Module):
    """`members` perceptrons of `blocks` layers of `width` on embedded categories and numbers.

    `sharing`: `mini` shares all but the first scaling and the heads, `full` scales each layer,
    `packed` shares nothing. In training it gives (n, members, n_outputs), and each member has a
    loss of its own; else (n, n_outputs): the logarithm of the mean of their probabilities, or the
    mean of their values.
    """

    def __init__(
        self,
        n_numeric: int,
        cardinalities: tuple[int, ...],
        n_outputs: int,
        task: Task,
        train: Callable[[], Part],
        *,
        numbers: Numbers | None = None,
        embedding_dim: Annotated[int, Gt(0)] = 8,
        members: Annotated[int, Gt(0)] = 32,
        blocks: Annotated[int, Gt(0)] = 2,
        width: Annotated[int, Gt(0)] = 512,
        sharing: Literal["mini", "full", "packed"] = "mini",
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.1,
    ) -> None:
        super().__init__()
        import tabm

        self.classifies = task != "regression"
        self.inputs = table_inputs(numbers, n_numeric, cardinalities, embedding_dim, task, train)
        embedded, dim = self.inputs.numbers is not None, self.inputs.dim
        scaled = sharing != "packed"  # each member starts by scaling each column at random
        self.view = tabm.EnsembleView(k=members)
        self.body = tabm.make_tabm_backbone(
            d_in=self.inputs.width,
            n_blocks=blocks,
            d_block=width,
            dropout=dropout,
            activation="ReLU",
            k=members,
            arch_type=ARCHITECTURES[sharing],
            start_scaling_init=("normal" if embedded else "random-signs") if scaled else None,
            start_scaling_init_chunks=[dim] * n_numeric + [embedding_dim] * len(cardinalities)
            if scaled
            else None,
        )
        self.heads = tabm.LinearEnsemble(width, n_outputs, k=members)

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """Training: (n, members, n_outputs); else logits (n, n_outputs), or the value (n, 1)."""
        output: Tensor = self.heads(self.body(self.view(self.inputs(numeric, categorical))))
        if self.training:
            return output
        members = output.shape[1]
        return mixed(
            comparable(output, self.classifies),
            output.new_full((members,), 1 / members),
            self.classifies,
        )
