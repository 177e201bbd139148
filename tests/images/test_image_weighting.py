"""Strategies for uneven classes work on images as on tables, up to the bundle."""

import numpy as np
import pandas as pd
from pictures import COLOURS, SMALL, encoded, noisy

import bigmodel
from bigmodel.bundle.load import load


def test_second_stages_losses_and_heads(here, colours):
    given = [*SMALL, f"data.path={colours}", "data.long_tail.imbalance_factor=3"]
    for name in ("crt", "logit_adjust", "ldam"):
        result = bigmodel.fit([*given, f"weighting={name}", f"hydra.run.dir={here / name}"])
        assert result.metrics["test/accuracy"] > 0.6, name
        image = encoded(noisy(COLOURS["red"], 5))
        answer = load(result.bundle).predict(pd.DataFrame({"image": [image]}))
        shares = answer.filter(like="probability/").to_numpy()
        np.testing.assert_allclose(shares.sum(), 1.0, atol=1e-6)
