"""The closest right name, for the end of a line about a wrong one."""

import difflib
from collections.abc import Iterable


def closest(name: str, names: Iterable[str]) -> str:
    """`; did you mean X?`, or else what there is."""
    options = sorted(set(names))
    near = difflib.get_close_matches(name, options, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; there is {', '.join(options)}" if options else ""
