"""Open a bundle and ask it; nothing here imports torch."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors.numpy import load as load_arrays

from bigmodel.bundle import archive, golden
from bigmodel.bundle.archive import Archive
from bigmodel.bundle.engine import Engine
from bigmodel.bundle.manifest import Manifest
from bigmodel.bundle.members import LEARNER, NETWORK
from bigmodel.bundle.postprocess import Postprocess
from bigmodel.bundle.sessions import ENGINES
from bigmodel.data.encoder import Encoder
from bigmodel.data.reading import conform
from bigmodel.data.schema import Schema
from bigmodel.errors import UserError


@dataclass(frozen=True)
class Bundle:
    """A trained model, verified and ready to answer."""

    path: Path
    manifest: Manifest
    schema: Schema
    encoder: Encoder
    engine: Engine
    postprocess: Postprocess

    def with_prior(self, shares: Mapping[str, float]) -> "Bundle":
        """The same model, for data in which the classes have these shares."""
        return replace(self, postprocess=self.postprocess.with_prior(shares))

    def predict(
        self, frame: pd.DataFrame, *, prior: Mapping[str, float] | None = None
    ) -> pd.DataFrame:
        """The answer for every row of a user's own frame, with the frame's index.

        Columns: the ids, `prediction` in the target's own dtype, and for classes one
        `probability/<class>` each; those fit data in which the classes have the shares `prior`,
        when given. Raises UserError when columns are missing or of a wrong type.
        """
        bundle = self if prior is None else self.with_prior(prior)
        return bundle.score(conform(frame, self.schema))

    def probabilities(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """The calibrated probabilities, (n, K), in the order of `schema.target.classes`."""
        return self.postprocess.probabilities(self._output(conform(frame, self.schema)))

    def values(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """The estimates of a regression, (n,), in the target's units."""
        return self.postprocess.values(self._output(conform(frame, self.schema)))

    def score(self, rows: pd.DataFrame) -> pd.DataFrame:
        """`predict` for rows that the reader made: their columns and dtypes are the schema's."""
        output = self._output(rows)
        if self.schema.target.task == "regression":
            answer: dict[str, Any] = {"prediction": self.postprocess.values(output)}
        else:
            probabilities = self.postprocess.probabilities(output)
            codes = self._codes(probabilities, rows)
            answer = {"prediction": self.postprocess.labels(codes).array}
            for name, column in zip(self.schema.target.classes, probabilities.T, strict=True):
                answer[f"probability/{name}"] = column
        ids = {f"id/{name}" if name in answer else name: rows[name] for name in self.schema.ids}
        return pd.DataFrame({**ids, **answer}, index=rows.index)

    def judged(
        self, rows: pd.DataFrame
    ) -> tuple[NDArray[np.floating[Any]], NDArray[np.int64] | None]:
        """What the metrics of training are computed from, for rows that the reader made.

        (n, n_outputs): calibrated logits, or the standardised value; and the class codes of the
        answers, (n,), None for a regression.
        """
        output = self._output(rows)
        if self.schema.target.task == "regression":
            return output, None
        codes = self._codes(self.postprocess.probabilities(output), rows)
        return self.postprocess.calibrated(output), codes

    def _codes(self, probabilities: NDArray[np.float64], rows: pd.DataFrame) -> NDArray[np.int64]:
        return self.postprocess.codes(probabilities, self.postprocess.cost_columns(rows))

    def _output(self, rows: pd.DataFrame) -> NDArray[np.float32]:
        return self.engine.run(self.encoder.transform(rows))


def load(path: Path | str, *, threads: int | None = None) -> Bundle:
    """Open the bundle at `path`, a directory or a `.zip`; `threads` as in `Engine`.

    Every hash is verified before anything is used, and the golden batch is asked. Raises
    UserError when the bundle is damaged, BigmodelError when its answers are not the trained
    network's.
    """
    return open_archive(archive.read(path, to_run=True), threads)


def open_archive(content: Archive, threads: int | None = None) -> Bundle:
    """The bundle of these verified files."""
    path, manifest = content.path, content.manifest
    schema = content.part("schema.json", lambda raw: Schema.from_json(json.loads(raw)))
    arrays = content.part("preprocess.safetensors", load_arrays)
    bundle = Bundle(
        path,
        manifest,
        schema,
        content.part("preprocess.json", lambda raw: Encoder.from_state(json.loads(raw), arrays)),
        engine_of(content, threads),
        content.part(
            "postprocess.json",
            lambda raw: Postprocess.from_json(json.loads(raw), schema.target),
        ),
    )
    _ask_golden_batch(bundle, content)
    return bundle


def engine_of(content: Archive, threads: int | None = None) -> Engine:
    """The network of these verified files, ready to run; with what learns on it, if any."""
    path, kind = content.path, content.manifest.engine
    if kind not in ENGINES:
        raise UserError(
            f"{path}: made for the engine {kind[:30]!r}, which this bigmodel does not have; "
            "upgrade bigmodel"
        )
    network = content.network or content.part(NETWORK, bytes)
    engine = Engine(network, f"{path}: {NETWORK}", threads, kind)
    if LEARNER not in content.files:
        return engine
    from bigmodel.bundle.live import from_files  # with scipy, which no other bundle needs

    return from_files(content.files, engine, str(path))


def _ask_golden_batch(bundle: Bundle, content: Archive) -> None:
    rows = content.part(golden.ROWS, golden.rows_of)
    reference = content.part(golden.ANSWERS, golden.reference_of)
    target = bundle.schema.target
    ask = bundle.values if target.task == "regression" else bundle.probabilities
    with _fitting_together(bundle.path):
        answer = ask(rows)
    tolerance = content.part(golden.ANSWERS, golden.tolerance_of)
    golden.check_parity(answer, reference, target, str(bundle.path), tolerance)
    with _fitting_together(bundle.path):
        bundle.predict(rows)


@contextmanager
def _fitting_together(path: Path) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{path}: its parts do not fit together "
            f"({type(error).__name__}: {str(error)[:100]}); export the bundle again"
        ) from error
