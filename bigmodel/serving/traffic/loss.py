"""How wrong an answer was, whatever kind of target it is: what versions are compared by."""

from bigmodel.data.schema import Target
from bigmodel.serving import labels
from bigmodel.serving.errors import ApiError


def loss_of(prediction: object, label: object, target: Target) -> float | None:
    """From 0, right, to 1: wrong, or a number that is off by its spread or more.

    None where the label is none of this target: an older version had other classes.
    """
    if target.task == "regression":
        if not isinstance(prediction, int | float) or not isinstance(label, int | float):
            return None
        return min(1.0, abs(prediction - label) / target.scale)
    if label not in target.classes:
        return None
    try:
        return float(labels.checked(prediction, target, "prediction") != label)
    except ApiError:
        return 1.0
