"""What the user gets to read when something is wrong: one clear line each, no traceback."""


class BigmodelError(Exception):
    """The work failed for a reason that can be told in a line (a full disk, a lost connection).

    `lines` are shown as they are; `exit_code` is what the process ends with.
    """

    exit_code = 1

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Interrupted(BigmodelError):  # noqa: N818  no error: the user wanted it
    """Ctrl-C, after what was done so far was saved."""

    exit_code = 130


class Paused(BigmodelError):  # noqa: N818  no error: the search wanted it
    """A trial of a search waits at a rung; its `checkpoints/last.ckpt` says where it goes on."""

    exit_code = 75  # as of programs that are to be tried again later


class UserError(BigmodelError):
    """The user's configuration or input is wrong.

    Each line names the place (file, line, row or column), what is wrong there, and the fix.
    """

    exit_code = 2
