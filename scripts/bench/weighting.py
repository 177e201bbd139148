"""What the weighting strategies gain, each beside its control, paired over seeds.

1. digits with a long tail: the strategy chosen on validation, against none.
2. images with a long tail: logit adjustment in the loss and after training, and cRT.
3. business value: savings against the better constant answer, with costs of each row.
4. wrong labels: how many are found, and how much of their harm is undone.
5. what weights and draws cost in rows per second.

Parts 2 and 3 need the data sets; `--part N` runs one part alone.
"""

from typing import Any

import common
import torch
import weighting_business
import weighting_digits
import weighting_images
import weighting_noise
import weighting_speed

PARTS = (
    weighting_digits.run,
    weighting_images.run,
    weighting_business.run,
    weighting_noise.run,
    weighting_speed.run,
)


def main() -> None:
    torch.set_num_threads(1)  # small networks: a second thread would only cost
    arguments = common.arguments(__doc__, part=range(1, len(PARTS) + 1))
    chosen = PARTS if arguments.part is None else [PARTS[arguments.part - 1]]
    rows: list[dict[str, Any]] = []
    targets: list[dict[str, Any]] = []
    for part in chosen:
        found, wanted = part(arguments)
        rows += found
        targets += wanted
    common.finish("weighting", rows, targets, arguments)


if __name__ == "__main__":
    main()
