"""The column to predict: which task it makes, its classes or its scale, and its codes."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

from bigmodel.data.convert import Mismatch, to_booleans, to_numbers, to_texts
from bigmodel.data.schema import Column, Target, Task
from bigmodel.data.texts import are_codes, levels, plain
from bigmodel.errors import UserError

MOST_INTEGER_CLASSES = 20  # distinct whole numbers: more are a quantity

Labels = NDArray[np.int64] | NDArray[np.float32]


def find_target(values: "pd.Series[Any]", task: Task | None, place: str) -> Target:
    """The task, unless given, and the classes of a target column without missing values.

    Text, booleans and two distinct values make classes, and so do whole numbers with at most 20
    distinct values; other numbers a regression. Classes are in the order of their numbers, or
    alphabetical. Raises UserError when the column cannot be a target of this task.
    """
    name = str(values.name)
    if is_datetime64_any_dtype(values):
        raise UserError(
            f"{place}: the target {name!r} holds times; name another one with data.target="
        )
    values = _typed(values, task, place)
    distinct = values.unique().tolist()
    if len(distinct) < 2:
        raise UserError(
            f"{place}: the target {name!r} has the same value {distinct[0]!s} in every row; "
            "name a column that varies with data.target="
        )
    task = task or _task_of(values, len(distinct))
    if task == "regression":
        if not is_numeric_dtype(values) or is_bool_dtype(values):
            raise UserError(
                f"{place}: the target {name!r} is no number in every row ({distinct[0]!s}); "
                "set data.task=auto, or name another target"
            )
        return Target(name, task, "int64" if values.dtype.kind in "iu" else "float64")
    if len(distinct) == len(values):
        raise UserError(
            f"{place}: the target {name!r} is different in every row, so nothing can be learnt "
            "from it; name a column of classes with data.target="
        )
    if task == "binary" and len(distinct) != 2:
        raise UserError(
            f"{place}: the target {name!r} has {len(distinct)} classes, not 2; "
            "set data.task=multiclass"
        )
    ordered = sorted(distinct)
    dtype = str(plain(values[:0]).dtype)
    return Target(name, task, dtype, tuple(class_name(value) for value in ordered))


def class_name(value: Any) -> str:
    """A class as text; whole floats without the point."""
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)


def with_scale(target: Target, values: "pd.Series[Any]") -> Target:
    """For a regression, the target with the mean and standard deviation of training values."""
    if target.task != "regression":
        return target
    numbers = values.to_numpy(dtype=np.float64)
    scale = float(numbers.std())
    if not scale > 0:
        raise UserError(
            f"the target {target.name!r} is the same in all training rows; use other splits"
        )
    return Target(target.name, target.task, target.dtype, (), float(numbers.mean()), scale)


def target_column(target: Target) -> Column:
    """The target as a column to read: numbers for a regression, else the labels as text."""
    return Column(target.name, "numeric" if target.task == "regression" else "text", target.dtype)


def encode_target(values: "pd.Series[Any]", target: Target) -> Labels:
    """Class codes, int64 (n,), or standardised values, float32 (n,).

    Raises Mismatch at the first label that is missing or unknown.
    """
    missing = values.isna().to_numpy()
    if missing.any():
        raise Mismatch(int(missing.argmax()), None, "a label")
    if target.task == "regression":
        numbers = to_numbers(values).to_numpy(dtype=np.float64)
        return ((numbers - target.offset) / target.scale).astype(np.float32)
    codes_of = {name: code for code, name in enumerate(target.classes)}
    places, distinct = _distinct(values)
    codes = np.array([codes_of.get(class_of(value, target), -1) for value in distinct])[places]
    if (codes < 0).any():
        position = int((codes < 0).argmax())
        raise Mismatch(position, values.iloc[position], "a class that the model knows")
    return codes.astype(np.int64)


def class_of(value: Any, target: Target) -> str:
    """A label as the schema writes it: 1.0 in a file may be 1 in the schema."""
    if target.dtype == "bool":
        return str(value).strip().capitalize()
    if target.dtype in ("int64", "float64"):
        try:
            return class_name(float(value))
        except ValueError:
            return str(value)
    return str(value)


def _distinct(values: "pd.Series[Any]") -> tuple[NDArray[np.int64], list[Any]]:
    """Which distinct value each row has, (n,), and these."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.cat.codes.to_numpy().astype(np.int64), values.cat.categories.tolist()
    codes, distinct = pd.factorize(values)
    return codes, list(distinct)


def _typed(values: "pd.Series[Any]", task: Task | None, place: str) -> "pd.Series[Any]":
    """Booleans, int64, float64 or texts; UserError on a mixture, unless classes are asked for."""
    if is_bool_dtype(values) or set(map(type, values.head(1))) == {bool}:
        return to_booleans(values).astype(bool)
    if is_numeric_dtype(values):
        return to_numbers(values)
    texts = to_texts(values)
    found = levels(texts)
    there = found.counts() > 0
    numbers = pd.to_numeric(found.texts, errors="coerce").notna().to_numpy() & there
    if (numbers == there).all() and not are_codes(found.texts):
        return to_numbers(texts)
    if numbers.any() and (numbers != there).any() and task in (None, "regression"):
        rows = found.counts()[numbers].sum()
        row = found.first(numbers if rows < len(texts) / 2 else there & ~numbers)
        raise Mismatch(row, texts.iloc[row], "of the type of the other labels")
    return texts


def _task_of(values: "pd.Series[Any]", distinct: int) -> Task:
    if distinct == 2:
        return "binary"
    if not is_numeric_dtype(values) or is_bool_dtype(values):
        return "multiclass"
    whole = bool((values % 1 == 0).all())
    return "multiclass" if whole and distinct <= MOST_INTEGER_CLASSES else "regression"
