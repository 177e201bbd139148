"""`bigmodel push`: a bundle's bytes to a running service, which checks and keeps them."""

import json
import os
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from annotated_types import Gt

from bigmodel.bundle import archive
from bigmodel.bundle.write import write_zip
from bigmodel.errors import BigmodelError, UserError

USAGE = """usage: bigmodel push bundle=DIR_OR_ZIP url=URL [KEY=VALUE ...]

The key needs the scope admin; it is taken from the environment variable BIGMODEL_KEY.
  name      of the model there; by default the bundle's own
  promote   true: the version answers everybody, once the service has loaded it
  key_env   another variable with the key
  timeout   seconds"""


def push(
    bundle: str,
    url: str,
    name: str | None = None,
    promote: bool = False,
    key_env: str = "BIGMODEL_KEY",
    timeout: Annotated[float, Gt(0)] = 600,
) -> str:
    """Send `bundle` to the service at `url`; returns the version.

    Raises UserError when the bundle is damaged or the service refuses it, BigmodelError when the
    service cannot be reached.
    """
    if not url.startswith(("http://", "https://")):
        raise UserError(f"url={url}: give one that begins with http:// or https://")
    model = name or archive.read(bundle).manifest.name
    with tempfile.TemporaryDirectory() as folder:
        content = write_zip(bundle, Path(folder) / "bundle.zip").read_bytes()
    base = f"{url.rstrip('/')}/v1/admin/models/{quote(model, safe='')}"
    key = os.environ.get(key_env)
    # changes nothing, but says whether the key may: before much is sent
    _post(f"{base}/traffic", b"{}", "application/json", key, timeout)
    version = str(
        _post(f"{base}/push", content, "application/octet-stream", key, timeout)["version"]
    )
    print(f"{model}: {version} is there")
    if promote:
        told = json.dumps({"version": version}).encode()
        _post(f"{base}/promote", told, "application/json", key, timeout)
        print(f"{model}: {version[:12]} answers")
    return version


def main(argv: list[str]) -> int:
    """`bigmodel push`; returns 0."""
    if not argv or {"-h", "--help"} & set(argv):
        print(USAGE)
        return 0
    from bigmodel.config.compose import settings

    push(**settings("push", argv))
    return 0


def _post(url: str, body: bytes, media: str, key: str | None, timeout: float) -> dict[str, Any]:
    headers = {"content-type": media}
    if key:
        headers["authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            content: dict[str, Any] = json.load(answer)
            return content
    except urllib.error.HTTPError as error:
        raise UserError(f"{url}: {error.code}: {_told(error)}") from error
    except OSError as error:
        raise BigmodelError(f"{url}: {error}; is the service there?") from error


def _told(error: urllib.error.HTTPError) -> str:
    """What the service says of a refusal."""
    raw = error.read(10_000)
    try:
        return str(json.loads(raw)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return error.reason
