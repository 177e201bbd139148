"""Which path and method lead where, and what scope of a key that takes."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bigmodel.serving.auth import Need
from bigmodel.serving.errors import ApiError
from bigmodel.serving.http import Handler, Request


@dataclass(frozen=True)
class Route:
    """`path` names its variable parts in braces; `scope` is that of the key that it takes.

    `any`: each valid key will do; None: it is for everybody. `large`: its body is a bundle.
    """

    method: str
    path: str
    scope: Need | None
    handle: Handler
    large: bool = False


class Routes:
    """Finds the route of a request: fixed paths by name, the others by their pattern."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._fixed: dict[str, dict[str, Route]] = {}
        patterns: dict[str, dict[str, Route]] = {}
        for route in routes:
            table = patterns if "{" in route.path else self._fixed
            table.setdefault(route.path, {})[route.method] = route
        self._patterns = [
            (re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)), methods)
            for path, methods in patterns.items()
        ]

    def find(self, request: Request) -> Route:
        """The route; the variable parts of the path go into `request.arguments`.

        Raises ApiError: 404 when there is no such path, 405 when it takes other methods.
        """
        methods = self._fixed.get(request.path)
        if methods is None:
            for pattern, candidates in self._patterns:
                found = pattern.fullmatch(request.path)
                if found:
                    methods, request.arguments = candidates, found.groupdict()
                    break
            else:
                raise ApiError(404, "no_such_path", "no such path; GET /docs lists them", "path")
        route = methods.get(request.method)
        if route is None:
            allowed = ", ".join(sorted(methods))
            raise ApiError(
                405, "wrong_method", f"this path takes {allowed}", "method",
                headers=((b"allow", allowed.encode()),),
            )  # fmt: skip
        return route
