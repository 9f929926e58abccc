"""WebSocket route of programs: frames or samples in, events and text out."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from anyio import CancelScope, CapacityLimiter, fail_after
from anyio.to_thread import run_sync
from fastapi import FastAPI, WebSocket
from fastapi.responses import JSONResponse
from starlette.websockets import WebSocketDisconnect

from experiments.page.api.inputs import StreamInput
from experiments.page.api.messages import ErrorMessage
from experiments.page.profiles import ProfileStore
from experiments.page.routes import STATUS_CODES
from experiments.page.sessions import SessionExpiredError, SessionPool
from experiments.page.writing import PageWriting
from unvoiced import Engine, Recognizer
from unvoiced.text import escape_controls

LOGGER = logging.getLogger(__name__)
ROUTE = "/api/stream"
MAX_ERRORS = 20  # refused messages in a row, after which the connection is closed
FINE, POLICY, FAULT = 1000, 1008, 1011  # codes of a closing connection
SOURCE_SETTINGS = ("idle_s", "poll_s")  # of a file that grows, in stage=live
REPLACED = "This session has ended: it was idle while another visitor waited. Connect again."


def add_stream_route(
    app: FastAPI,
    pool: SessionPool,
    profiles: ProfileStore,
    writing: PageWriting,
    cores: CapacityLimiter,
    reader: dict[str, Any],
) -> None:
    """Add the route /api/stream.

    Args:
        app: gets the route.
        pool: has a session for each connection, as for each visitor who streams.
        profiles: those of visitors.
        writing: how words are suggested.
        cores: bounds the frames that are read at a time.
        reader: settings of the input of samples.
    """

    def open_session(key: str) -> str:
        recognizer = profiles.make_recognizer(key) if key else profiles.recognizer
        settings = pool.make_engine.keywords
        return pool.open_session(make_stream_engine(recognizer, writing, settings, reader))

    @app.websocket(ROUTE)
    async def read_stream(socket: WebSocket, profile: str = "") -> None:
        try:
            key = await run_sync(open_session, profile, limiter=cores)
        except ValueError as error:
            status = STATUS_CODES.get(type(error), 422)
            sentence = escape_controls(str(error))
            await socket.send_denial_response(JSONResponse({"error": sentence}, status))
            return
        try:
            await socket.accept()
            await Connection(socket, pool, key, cores).answer_messages()
        except WebSocketDisconnect:
            return
        finally:
            with CancelScope(shield=True):
                await run_sync(pool.close_session, key)


def make_stream_engine(
    recognizer: Recognizer, writing: PageWriting, settings: dict[str, Any], reader: dict[str, Any]
) -> partial[Engine]:
    """Return the constructor of a connection's engine."""
    if recognizer.spec.has_camera:
        return writing.make_engine(recognizer, None, settings)
    settings = {name: value for name, value in settings.items() if name not in SOURCE_SETTINGS}
    known = {name: value for name, value in reader.items() if name not in ("_target_", "path")}
    return partial(Engine, recognizer, reader=known, **settings)


class Connection:
    """One program that streams: each of its messages is answered before the next one is read.

    Args:
        socket: the accepted connection.
        pool: has its session.
        key: of the session.
        cores: bounds the messages that are read at a time.
    """

    def __init__(
        self, socket: WebSocket, pool: SessionPool, key: str, cores: CapacityLimiter
    ) -> None:
        self.socket, self.pool, self.key, self.cores = socket, pool, key, cores
        self.input = StreamInput()
        self._num_errors = 0

    async def answer_messages(self) -> None:
        """Answer messages until the stream ends, the program leaves, or it sends nothing."""
        while not self.input.is_ended:
            try:
                with fail_after(self.pool.idle_s):
                    message = await self.socket.receive()
            except TimeoutError:
                sentence = f"No message arrived for {self.pool.idle_s:g} s."
                await self._refuse(sentence, POLICY)
                return
            if message["type"] == "websocket.disconnect" or not await self._answer(message):
                return
        await self.socket.close(FINE)

    async def _answer(self, message: Any) -> bool:
        """Answer a message; return whether the connection stays open."""
        try:
            answer = await run_sync(self._read_message, message, limiter=self.cores)
        except SessionExpiredError:
            return await self._refuse(REPLACED, POLICY)
        except ValueError as error:
            self._num_errors += 1
            is_last = self._num_errors >= MAX_ERRORS
            return await self._refuse(str(error), POLICY if is_last else None)
        except Exception:  # a fault of the program ends this connection alone
            LOGGER.exception("a message of a program could not be read")
            return await self._refuse("The program has an error; its terminal shows it.", FAULT)
        self._num_errors = 0
        if answer is not None:
            await self._send(answer)
        return True

    def _read_message(self, message: Any) -> dict[str, Any] | None:
        """Return the answer to a message; None for one that has none."""
        with self.pool.get_session(self.key).lock_engine(Engine) as engine:
            return self.input.read(engine, message.get("bytes"), message.get("text"))

    async def _refuse(self, sentence: str, code: int | None) -> bool:
        """Send why a message was refused, and close the connection if there is a code."""
        text = escape_controls(sentence.rstrip("."))
        await self._send(ErrorMessage(error=f"{text[:1].upper()}{text[1:]}.").model_dump())
        if code is not None:
            await self.socket.close(code)
        return code is None

    async def _send(self, answer: dict[str, Any]) -> None:
        try:
            with fail_after(self.pool.idle_s):
                await self.socket.send_json(answer)
        except TimeoutError as error:  # the program does not read its answers
            raise WebSocketDisconnect(POLICY) from error
