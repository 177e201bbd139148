"""`GET /docs`: a page that shows the service's OpenAPI document and sends its examples.

It is one file without anything from elsewhere, so it opens where there is no internet. It holds
nothing of the models: what it shows comes from `/openapi.json`, with the key of who looks.
"""

import base64
import hashlib
import re
from importlib.resources import files

from bigmodel.serving.http import Request, Response
from bigmodel.serving.service import Service

_PAGE = (files("bigmodel.serving") / "docs.html").read_bytes()


def _hash(tag: bytes) -> str:
    """What the one element of this tag is allowed by."""
    found = re.search(rb"<%b>(.*?)</%b>" % (tag, tag), _PAGE, re.DOTALL)
    assert found is not None
    return f"'sha256-{base64.b64encode(hashlib.sha256(found[1]).digest()).decode()}'"


_POLICY = (
    f"default-src 'none'; script-src {_hash(b'script')}; style-src {_hash(b'style')}; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
)


async def page(service: Service, request: Request) -> Response:
    """The page."""
    return Response(_PAGE, b"text/html; charset=utf-8", headers=_HEADERS)
