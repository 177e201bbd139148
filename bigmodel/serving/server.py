"""The process around the application: its socket, its signals, its end."""

import asyncio
import resource
import signal
import socket
from types import FrameType

import uvicorn

from bigmodel.errors import Interrupted
from bigmodel.serving import tls
from bigmodel.serving.app import App
from bigmodel.serving.listen import announce, listener
from bigmodel.serving.protocol import Protocol
from bigmodel.serving.settings import Serving
from bigmodel.serving.worker import Line

_OTHER_FILES = 256  # libraries, the store, the log, and those that are just being accepted


def run(app: App, settings: Serving) -> None:
    """Listen and answer until SIGTERM or Ctrl-C, then end what was begun.

    A worker listens where its supervisor does. Raises Interrupted after Ctrl-C.
    """
    secured = tls.context(settings.tls)
    _allow_files(settings.limits.connections + _OTHER_FILES)
    line = app.service.metrics.line
    listening = listener(settings) if line is None else line.listener
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
    server = Server(config, app, settings, listening, line)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # the terminal is closed; not with nohup
        signal.signal(signal.SIGHUP, server.handle_exit)
    server.run([listening])
    if server.interrupted:
        raise Interrupted("interrupted; what was begun is ended")


def _allow_files(wanted: int) -> None:
    """Each connection is an open file: more of them than shells allow, as far as we may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class Server(uvicorn.Server):
    """Ends without breaking an answer: nobody who is connected finds a closed door.

    On SIGTERM it stops to listen and closes each connection with its next answer; those that are
    idle after `drain_seconds` are closed, and what was begun is ended. So it does at the end of
    the line to a supervisor, too.
    """

    def __init__(
        self, config: uvicorn.Config, app: App, settings: Serving, listener: socket.socket,
        line: Line | None,
    ) -> None:  # fmt: skip
        super().__init__(config)
        self._app, self._settings, self._listener, self._line = app, settings, listener, line
        self._drain: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.interrupted = False

    async def _serve(self, sockets: list[socket.socket] | None = None) -> None:
        await super()._serve(sockets)
        if self._line is not None:
            await self._line.close(self._app.service.metrics.snapshot())

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so."""
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        names = ", ".join(self._app.service.slots)
        if self._line is None:
            announce(names, self._listener, self._settings)
        else:
            await self._line.open(self._retire)
            self._line.ready(names)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The signal's handler: a second signal ends at once."""
        self.interrupted |= sig == signal.SIGINT
        if self._app.service.draining:
            self.force_exit = self.should_exit = True
            return
        self._app.service.draining = True
        if self._loop is None:  # it has not begun to answer
            self.should_exit = True
        else:
            self._loop.call_soon_threadsafe(self._begin)

    def _retire(self) -> None:
        """Another worker has the place of this one, or there is no supervisor any more."""
        if not self._app.service.draining:
            self._app.service.draining = self._app.service.replaced = True
            self._begin()

    def _begin(self) -> None:
        self._drain = asyncio.ensure_future(self._drained())

    async def _drained(self) -> None:
        for server in self.servers:
            server.close()
        self._listener.close()
        loop = asyncio.get_running_loop()
        end = loop.time() + self._settings.drain_seconds
        while self.server_state.connections and loop.time() < end:
            await asyncio.sleep(0.02)
        self.should_exit = True
