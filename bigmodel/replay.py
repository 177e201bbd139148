"""Rebuild a live model from its event log, and compare it bit for bit with what was served."""

from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from bigmodel.errors import UserError
from bigmodel.files import Hold

USAGE = """usage: bigmodel replay bundle=DIR_OR_ZIP log=DIR [version=N] [rollback=N]

  bundle    the bundle that the model began with
  log       the directory of its event log
  version   the version to rebuild; the newest by default
  rollback  make this version the newest again (while no service has the log open)"""


def replay(
    *,
    bundle: str,
    log: str,
    version: Annotated[int, Ge(0)] | None = None,
    rollback: Annotated[int, Ge(0)] | None = None,
) -> int:
    """Rebuild `version` (the newest) of the model in `bundle` from the event log in `log`.

    Says whether its bits are those that were written down, and if not, which libraries differ.
    With `rollback`, that version becomes the newest again. Returns the number of the version.
    Raises UserError when bundle and log do not belong together, BigmodelError when the bits differ
    for no reason.
    """
    from bigmodel.bundle.live import LiveEngine
    from bigmodel.bundle.load import load
    from bigmodel.learning.journal.keeper import Keeper
    from bigmodel.learning.journal.store import LOCK, NAME

    opened = load(bundle)
    if not isinstance(opened.engine, LiveEngine):
        raise UserError(f"bundle={bundle}: it does not keep learning; train with learning=full")
    if not (Path(log) / NAME).is_file():
        raise UserError(f"log={log}: there is no {NAME} in it")
    hold = Hold(Path(log) / LOCK)
    try:
        if rollback is not None and not hold.take():
            raise UserError(
                f"log={log}: a service learns from it; ask that one to go back "
                "(POST /v1/admin/models/NAME/rollback), or end it"
            )
        keeper = Keeper(opened.engine.learner, Path(log), opened.manifest.version)
        newest = keeper.learner.live.version
        if rollback is not None:
            number = keeper.rollback(rollback)
            print(f"{log}: version {number} is version {rollback} again")
            return number
        keeper.rebuild(newest if version is None else version, print)
        return keeper.learner.live.version
    finally:
        hold.release()


def main(argv: list[str]) -> int:
    """`bigmodel replay bundle=DIR log=DIR`; returns the exit code."""
    if {"-h", "--help"} & set(argv):
        print(USAGE)
        return 0
    from bigmodel.config.compose import settings

    replay(**settings("replay", argv))
    return 0
