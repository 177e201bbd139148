"""The process around the application: its socket, its signals, its end."""

import asyncio
import resource
import socket
from types import FrameType

import uvicorn

from bigmodel.errors import BigmodelError
from bigmodel.serving import tls
from bigmodel.serving.app import App
from bigmodel.serving.protocol import Protocol
from bigmodel.serving.settings import Serving

_OTHER_FILES = 256  # libraries, the store, the log, and those that are just being accepted


def run(app: App, settings: Serving) -> None:
    """Listen and answer until SIGTERM or Ctrl-C, then end what was begun."""
    secured = tls.context(settings.tls)
    _allow_files(settings.limits.connections + _OTHER_FILES)
    listener = _listener(settings)
    host, port = listener.getsockname()[:2]
    scheme = "https" if secured else "http"
    names = ", ".join(app.service.slots)
    print(
        f"serving {names} at {scheme}://{host}:{port} (docs: {scheme}://{host}:{port}/docs)",
        flush=True,
    )
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nobody may say for himself where he comes from
        timeout_keep_alive=int(settings.limits.idle_seconds),
        timeout_graceful_shutdown=int(settings.limits.body_seconds) + 1,  # what was begun may end
        ssl_context_factory=None if secured is None else lambda *_: secured,
    )
    Server(config, app, settings.drain_seconds, listener).run([listener])


def _allow_files(wanted: int) -> None:
    """Each connection is an open file: more of them than shells allow, as far as we may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _listener(settings: Serving) -> socket.socket:
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


class Server(uvicorn.Server):
    """Ends without breaking an answer: nobody who is connected finds a closed door.

    On SIGTERM it stops to listen and closes each connection with its next answer; those that are
    idle after `drain_seconds` are closed, and what was begun is ended.
    """

    def __init__(
        self, config: uvicorn.Config, app: App, drain_seconds: float, listener: socket.socket
    ) -> None:
        super().__init__(config)
        self._app, self._drain_seconds, self._listener = app, drain_seconds, listener
        self._drain: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def _serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super()._serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The signal's handler: a second signal ends at once."""
        if self._app.service.draining or self._loop is None:
            self.force_exit = self.should_exit = True
            return
        self._app.service.draining = True
        self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        self._drain = asyncio.ensure_future(self._drained())

    async def _drained(self) -> None:
        for server in self.servers:
            server.close()
        self._listener.close()
        loop = asyncio.get_running_loop()
        end = loop.time() + self._drain_seconds
        while self.server_state.connections and loop.time() < end:
            await asyncio.sleep(0.02)
        self.should_exit = True
