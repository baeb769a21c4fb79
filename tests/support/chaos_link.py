"""One connection through the chaos proxy, and the weather that all of them share. Lives in the proxy's loop."""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from tests.support import postgres_protocol as protocol

_CHUNK = 65536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Strike(Enum):
    """At what a trap strikes."""

    COMMIT_ASKED = auto()
    COMMIT_ANSWERED = auto()


class Trap:
    """Set for the next commits, or the next that had said certain words before; their connections are reset.

    A statement that commits itself counts where it says those words.
    """

    def __init__(self, strike: Strike, times: int, only_if: bytes | None) -> None:
        self._strike = strike
        self._left = times
        self._only_if = only_if
        self._done = threading.Event()

    def wait(self, seconds: float = 20.0) -> None:
        """Until it has struck as often as it should. Fails after `seconds`."""
        assert self._done.wait(seconds), f"no {self._strike} within {seconds} s"

    @property
    def has_struck(self) -> bool:
        """Whether it has struck as often as it should."""
        return self._done.is_set()

    def strikes(self, strike: Strike, conversation: protocol.Conversation) -> bool:
        """Whether this is what it was set for; then it counts."""
        if strike is not self._strike or not self._left or not conversation.has_said(self._only_if):
            return False
        if conversation.commits_itself and self._only_if is None:
            return False
        self._left -= 1
        if not self._left:
            self._done.set()
        return True


@dataclass
class Weather:
    """What every connection meets: the server, how long anything takes, whether it goes on at all, traps."""

    target: tuple[str, int]
    delay: float = 0.0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    traps: list[Trap] = field(default_factory=list)

    async def pass_gate(self) -> None:
        """Wait as long as everything that is sent has to."""
        if self.delay:
            await asyncio.sleep(self.delay)
        await self.gate.wait()

    def strikes(self, strike: Strike, conversation: protocol.Conversation) -> bool:
        """Whether a trap strikes here."""
        return any(trap.strikes(strike, conversation) for trap in self.traps)


class _Struck(Exception):
    """Nothing more is forwarded."""


class Link:
    """One client's connection and, once there is one, the server's end of it."""

    def __init__(self, weather: Weather, client: socket.socket) -> None:
        self.is_reset = False
        self._weather = weather
        self._loop = asyncio.get_running_loop()
        self._conversation = protocol.Conversation()
        self._ends = [client]

    async def serve(self, admit: "Admission") -> None:
        """Treat the connection as it was admitted, until either side ends it."""
        try:
            await admit(self)
        except (_Struck, OSError):
            self.is_reset = True

    def close(self) -> None:
        """Close both ends, the way they should see it."""
        for end in self._ends:
            if self.is_reset:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            end.close()

    async def refuse(self) -> None:
        """Reset it at once."""
        self.is_reset = True

    async def swallow(self) -> None:
        """Never answer."""
        while await self._loop.sock_recv(self._ends[0], _CHUNK):
            pass

    async def forward(self) -> None:
        """Pass messages on, both ways, until one side ends."""
        [client] = self._ends
        startup = await self._startup(client)
        await self._weather.pass_gate()
        server = socket.socket()
        self._ends.append(server)
        server.setblocking(False)
        await self._loop.sock_connect(server, self._weather.target)
        for end in self._ends:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await self._loop.sock_sendall(server, startup)
        pumps = [
            self._loop.create_task(self._pump(client, server, self._look_at_question)),
            self._loop.create_task(self._pump(server, client, self._look_at_answer)),
        ]
        try:
            done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        for pump in done:
            pump.result()

    async def _startup(self, client: socket.socket) -> bytes:
        """The packet that opens the session, after refusing to encrypt it."""
        while True:
            packet = await self._loop.sock_recv(client, protocol.STARTUP_LIMIT)
            if len(packet) < protocol.STARTUP_LEAST:
                raise ConnectionResetError
            if protocol.startup_code(packet) not in protocol.NEGOTIATIONS:
                return packet
            await self._weather.pass_gate()
            await self._loop.sock_sendall(client, protocol.REFUSED)

    async def _pump(self, source: socket.socket, target: socket.socket, look: Callable[[bytes], None]) -> None:
        messages = protocol.Messages()
        while data := await self._receive(source):
            complete = list(messages.feed(data))
            await self._weather.pass_gate()
            for message in complete:
                look(message)
            await self._loop.sock_sendall(target, b"".join(complete))
        await self._weather.pass_gate()  # the end is news too

    async def _receive(self, source: socket.socket) -> bytes:
        try:
            return await self._loop.sock_recv(source, _CHUNK)
        except OSError:
            self.is_reset = True
            return b""

    def _look_at_question(self, message: bytes) -> None:
        statement = self._conversation.client_says(message)
        commits = protocol.is_commit(statement) or (statement and self._conversation.commits_itself)
        if commits and self._weather.strikes(Strike.COMMIT_ASKED, self._conversation):
            raise _Struck

    def _look_at_answer(self, message: bytes) -> None:
        is_ack = protocol.acknowledges_commit(message) or (
            protocol.is_ready(message) and self._conversation.commits_itself
        )
        if is_ack and self._weather.strikes(Strike.COMMIT_ANSWERED, self._conversation):
            raise _Struck
        self._conversation.server_says(message)


Admission = Callable[[Link], Coroutine[Any, Any, None]]
