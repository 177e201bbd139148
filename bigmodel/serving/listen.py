"""The address of the service: had, and told."""

import os
import socket

from bigmodel.errors import BigmodelError
from bigmodel.serving.settings import Serving


def listener(settings: Serving) -> socket.socket:
    """The listening socket. Raises BigmodelError when the address cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server(
            (settings.host, settings.port), family=family, backlog=1024, reuse_port=False
        )
    except OSError as error:
        raise BigmodelError(
            f"serving.host={settings.host} serving.port={settings.port}: "
            f"{error.strerror or error}; give another one"
        ) from error


def announce(names: str, listening: socket.socket, settings: Serving) -> None:
    """The service answers from now on: said on the screen, and to systemd."""
    host, port = listening.getsockname()[:2]
    scheme = "http" if settings.tls.certificate is None else "https"
    place = f"{scheme}://{host}:{port}"
    print(f"serving {names} at {place} (docs: {place}/docs)", flush=True)
    notify("READY=1")


def notify(state: str) -> None:
    """Tell systemd, where it has started the service: see sd_notify(3)."""
    place = os.environ.get("NOTIFY_SOCKET")
    if not place:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        # of an abstract address, the first byte is 0
        told.sendto(state.encode(), "\0" + place[1:] if place[0] == "@" else place)
