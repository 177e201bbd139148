"""A service that changes while it answers: swaps, kills, bad versions, canaries, little memory.

Each part starts real servers and real callers. Targets are those of a service that runs for years:
no request lost by a change, no half-written version, no memory that is not given back, no canary
taken back by chance.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chaos_capacity
import chaos_swaps
import chaos_traffic
import common

Part = Callable[[Path, bool], tuple[list[dict[str, Any]], list[dict[str, Any]]]]
PARTS: dict[int, Part] = {
    1: chaos_swaps.swaps,
    2: chaos_swaps.kills,
    3: chaos_swaps.bad,
    4: chaos_capacity.limit,
    5: chaos_capacity.soak,
    6: chaos_traffic.share,
    7: chaos_traffic.alarms,
}


def main() -> None:
    given = common.arguments(__doc__, part=list(PARTS))
    rows: list[dict[str, Any]] = []
    targets: list[dict[str, Any]] = []
    for number, part in PARTS.items():
        if given.part in (None, number):
            with tempfile.TemporaryDirectory() as name:
                found, wanted = part(Path(name), given.quick)
            rows += found
            targets += wanted
    common.finish("serve_chaos", rows, targets, given)


if __name__ == "__main__":
    main()
