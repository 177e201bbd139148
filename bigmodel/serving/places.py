"""What is wrong, told to those who need not know where this machine keeps its files."""

import re
from collections.abc import Sequence

from bigmodel.serving.http import Request

# an absolute path, or a URL; a path with odd characters ends early, and what follows has no root
_PLACE = re.compile(r"(?:\w+://|(?<![\w./~-])~?/)[^\s:;,'\"()]+")


def told(lines: Sequence[str], whole: bool) -> str:
    """The lines of an error as one; unless `whole`, of each place in them only its name is left."""
    return "; ".join(lines if whole else map(without_places, lines))


def may_know(request: Request) -> bool:
    """Whether a caller is told of places: only one who operates the service."""
    return "admin" in request.ticket.key.scopes


def without_places(line: str) -> str:
    """A line of an error, which begins with the place of the mistake, as of a UserError."""
    place, colon, rest = line.partition(": ")
    if colon and "/" in place:
        line = f"{_name(place)}: {rest}"
    return _PLACE.sub(lambda found: _name(found[0]), line)


def _name(place: str) -> str:
    return place.rstrip("/").rpartition("/")[2]
