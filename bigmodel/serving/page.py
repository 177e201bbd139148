"""Pages of the service: each is sent as one file without anything from elsewhere.

So they open where there is no internet, and nothing but their own script and style may run.
"""

import base64
import hashlib
import re
from importlib.resources import files

from bigmodel.serving.http import Response

_INCLUDE = re.compile(rb"/\* include (\S+) \*/\n")


def html_page(name: str) -> Response:
    """The page of this name in the package, allowed to ask its own service and nothing else.

    A line `/* include FILE */` stands for the file beside it.
    """
    folder = files("bigmodel.serving")
    content = _INCLUDE.sub(
        lambda found: (folder / found[1].decode()).read_bytes(), (folder / name).read_bytes()
    )
    policy = (
        f"default-src 'none'; script-src {_hash(content, b'script')}; "
        f"style-src {_hash(content, b'style')}; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = (
        (b"content-security-policy", policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    )
    return Response(content, b"text/html; charset=utf-8", headers=headers)


def _hash(content: bytes, tag: bytes) -> str:
    """What the one element of this tag is allowed by."""
    found = re.search(rb"<%b>(.*?)</%b>" % (tag, tag), content, re.DOTALL)
    assert found is not None
    return f"'sha256-{base64.b64encode(hashlib.sha256(found[1]).digest()).decode()}'"
