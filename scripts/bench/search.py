"""What a search costs until it has found a good model, and what it adds to each trial.

Part 1 replays searches on tables of real learning curves (search_replay.py, search_curves.py),
part 2 races them against the clock and other tools (search_wall.py), part 3 measures the time that
a trial of about a second costs besides its fit, part 4 two workers beside one.
"""

from typing import Any

import common
import optuna

SEEDS = 20


def replays(given: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    import search_curves
    import search_replay

    lines: list[dict[str, Any]] = []
    names, seeds = (["digits"], 2) if given.quick else (list(search_curves.SETS), SEEDS)
    for name in names:
        lines += search_replay.rows(search_curves.curves(name, given.data), seeds)
    targets = [
        common.target(
            f"epochs to the top 1 % on {line['table']}: random by search=asha",
            line["random by this"], ">=", 1.8,
        )
        for line in lines
        if line["method"] == "search=asha"
    ]  # fmt: skip
    return lines, targets


def main() -> None:
    given = common.arguments(__doc__, part=(1, 2, 3, 4), peer=True)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    lines: list[dict[str, Any]] = []
    targets: list[dict[str, Any]] = []
    for part in (given.part,) if given.part else (1, 2, 3, 4):
        if part == 1:
            found = replays(given)
        elif part == 2:
            import search_wall

            found = search_wall.race(given)
        else:
            import search_overhead

            found = search_overhead.overhead(given) if part == 3 else search_overhead.scaling(given)
        lines += found[0]
        targets += found[1]
    common.finish("search", lines, targets, given)


if __name__ == "__main__":
    main()
