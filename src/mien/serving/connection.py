"""One client's connection: what it sends is checked, counted and queued; a view answers; answers are sent.

Three tasks share it. The reader takes what comes and closes on whoever breaks the protocol or its limits. The worker
gives it to the view, one thing at a time: sound at once where that is quick, all else in a pool with a thread per core;
long work goes to a pool of its own, so that no client's calibration stands before another's windows. The writer sends;
who does not read is cut off by the socket (`server`).
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from mien.errors import MessageError, MienError
from mien.serving import messages as said
from mien.serving.audio_frames import AudioFrame, FrameOrder, parse_frame
from mien.serving.kept_calibrations import forgotten
from mien.serving.limits import Allowance, Limits
from mien.serving.tokens import Session
from mien.serving.views import Answer, View, error_of

log = logging.getLogger("mien.serving")

CLOSING_S = 2.0
"""So long is tried to tell a client why it is closed."""

NOMINAL_RATE_HZ = 48_000

MakeView = Callable[[Any, dict[str, Any]], View]
"""Makes a view of the message that starts it and of the session's memory; raises a `MienError` where it cannot be."""


@dataclass(frozen=True, slots=True)
class Pools:
    """Threads: those that recognise, and those for what takes long."""

    quick: Executor
    slow: Executor


class Connection:
    """A client, from its handshake to its last message.

    Args:
        socket: accepted already.
        session: whose stream this is.
        welcome: makes the answer to `hello`.
        make_view: makes a view, in a thread.
        clock: seconds that only rise.
    """

    def __init__(
        self,
        socket: WebSocket,
        session: Session,
        welcome: Callable[[Session], said.Welcome],
        make_view: MakeView,
        pools: Pools,
        limits: Limits,
        clock: Callable[[], float],
    ) -> None:
        self._socket, self._session, self._welcome, self._make_view = socket, session, welcome, make_view
        self._pools, self._limits, self._clock = pools, limits, clock
        self._over: asyncio.Future[said.Closing | None] = asyncio.get_running_loop().create_future()
        self.left = asyncio.Event()
        """Set when its view has let go of everything."""
        self._greeted = False
        self._view: View | None = None
        self._job: asyncio.Future[Answer] | None = None
        self._inbox: deque[Any] = deque()
        self._n_waiting, self._arrived = 0, asyncio.Event()
        self._outbox: deque[Any] = deque()
        self._n_unsent, self._to_send = 0, asyncio.Event()
        self._order = FrameOrder()
        now_s = clock()
        self._texts = Allowance(limits.messages_per_s, limits.messages_burst, now_s)
        self._sound = Allowance(limits.sound_rate, limits.sound_burst_s, now_s)
        self._frames = Allowance(limits.frames_per_s, limits.frames_per_s * limits.sound_burst_s, now_s)
        self._rate_hz = NOMINAL_RATE_HZ

    def close(self, reason: said.CloseReason, message: str) -> None:
        """Close it, from wherever in the event loop; the first reason counts."""
        if not self._over.done():
            self._over.set_result(said.Closing(reason=reason, message=message))

    async def run(self) -> None:
        """Serve the client until it goes or is closed."""
        tasks = [asyncio.create_task(part()) for part in (self._read, self._work, self._write)]
        for task in tasks:
            task.add_done_callback(self._fell)
        closing: said.Closing | None = None
        try:
            async with asyncio.timeout(self._limits.session_s):
                closing = await asyncio.shield(self._over)
        except TimeoutError:
            hours = f"{self._limits.session_s / 3600:g} h"
            closing = said.Closing(
                reason=said.CloseReason.SESSION_OVER, message=f"a connection lasts {hours} at most; open it again"
            )
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._leave_view()
            self.left.set()
        await self._say_farewell(closing)

    def _fell(self, task: asyncio.Task[None]) -> None:
        """End the connection where one of its tasks has ended by a fault."""
        problem = None if task.cancelled() else task.exception()
        if problem is None:
            return
        if isinstance(problem, WebSocketDisconnect):
            if not self._over.done():
                self._over.set_result(None)
            return
        log.error("a fault while serving a client", exc_info=problem)
        self.close(said.CloseReason.FAULT, "the server met a fault; its terminal says more")

    async def _say_farewell(self, closing: said.Closing | None) -> None:
        if closing is None:
            return
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError, OSError):
            async with asyncio.timeout(CLOSING_S):
                while self._outbox and closing.reason is not said.CloseReason.STALLED:
                    await self._socket.send_text(self._outbox.popleft().model_dump_json())
                await self._socket.send_text(closing.model_dump_json())
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError, OSError):
            async with asyncio.timeout(CLOSING_S):
                await self._socket.close(said.CLOSE_CODES[closing.reason], closing.reason.value)

    # Reading.

    async def _read(self) -> None:
        while not self._over.done():
            try:
                async with asyncio.timeout(self._limits.silence_s if self._greeted else self._limits.hello_s) as limit:
                    event = await self._socket.receive()
            except TimeoutError:
                if not limit.expired():
                    raise
                heard = "nothing was heard" if self._greeted else "no hello came"
                spent_s = self._limits.silence_s if self._greeted else self._limits.hello_s
                return self.close(said.CloseReason.SILENCE, f"{heard} for {spent_s:g} s; open the page again")
            if event["type"] == "websocket.disconnect":
                if not self._over.done():
                    self._over.set_result(None)
                return None
            if event.get("text") is not None:
                self._heard_text(event["text"])
            else:
                self._heard_sound(event.get("bytes") or b"")

    def _heard_text(self, text: str) -> None:
        size = len(text.encode(errors="replace"))
        if size > self._limits.text_bytes:
            limit = self._limits.text_bytes
            return self.close(said.CloseReason.TOO_LARGE, f"a message of {size} bytes; at most {limit} are taken")
        if not self._texts.take(1.0, self._clock()):
            return self.close(
                said.CloseReason.TOO_FAST, f"more than {self._limits.messages_per_s:g} messages per second"
            )
        try:
            message = said.parse_client(text)
        except MessageError as problem:
            return self.close(said.CloseReason.BAD_MESSAGE, str(problem))
        if isinstance(message, said.Hello):
            return self._heard_hello(message)
        if not self._greeted:
            return self.close(said.CloseReason.BAD_MESSAGE, f"{message.type} came before hello; say hello first")
        if len(self._inbox) >= self._limits.inbox:
            return self.close(said.CloseReason.TOO_FAST, "more messages than can be answered")
        self._inbox.append(message)
        self._arrived.set()
        return None

    def _heard_hello(self, message: said.Hello) -> None:
        if message.version != said.PROTOCOL_VERSION:
            return self.close(
                said.CloseReason.BAD_VERSION,
                f"version {message.version} of the protocol was asked for; this server speaks "
                f"{said.PROTOCOL_VERSION}: load the page again, or take a client of that version",
            )
        if self._greeted:
            return self.close(said.CloseReason.BAD_MESSAGE, "hello came twice")
        self._greeted = True
        return self._send(self._welcome(self._session))

    def _heard_sound(self, content: bytes) -> None:
        limits = self._limits
        if not self._greeted:
            return self.close(said.CloseReason.BAD_MESSAGE, "sound came before hello; say hello first")
        if len(content) > limits.frame_bytes:
            return self.close(
                said.CloseReason.TOO_LARGE,
                f"a sound frame of {len(content)} bytes; at most {limits.samples_per_frame} samples are taken at once",
            )
        try:
            frame = self._order.checked(parse_frame(content, limits.samples_per_frame), self._rate_hz)
        except MessageError as problem:
            return self.close(said.CloseReason.BAD_AUDIO, str(problem))
        now_s, n_samples = self._clock(), len(frame.samples)
        if not (self._sound.take(n_samples / self._rate_hz, now_s) and self._frames.take(1.0, now_s)):
            return self.close(
                said.CloseReason.TOO_FAST,
                f"more sound than time: at most {limits.sound_rate:g} s per second, and {limits.frames_per_s:g} frames",
            )
        self._n_waiting += n_samples
        self._inbox.append(frame)
        if self._n_waiting > limits.backlog_s * self._rate_hz:
            self._drop_oldest()
        self._arrived.set()
        return None

    def _drop_oldest(self) -> None:
        """Drop half of the sound that waits: one long gap does less harm than many short ones."""
        goal, n_lost, kept = self._n_waiting // 2, 0, deque[Any]()
        for item in self._inbox:
            if isinstance(item, AudioFrame) and self._n_waiting > goal:
                self._n_waiting -= len(item.samples)
                n_lost += item.n_lost + len(item.samples)
            elif isinstance(item, AudioFrame) and n_lost:
                kept.append(replace(item, dropped=True, n_lost=item.n_lost + n_lost))
                n_lost = 0
            else:
                kept.append(item)
        self._inbox = kept

    # Working.

    async def _work(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._inbox:
                if isinstance(self._inbox[0], AudioFrame):
                    if self._is_too_little():
                        break
                    await self._give_sound()
                else:
                    await self._give_message(self._inbox.popleft())

    def _is_too_little(self) -> bool:
        """Whether the view can wait for more: a thread is woken once for each answer, not for each frame."""
        if self._view is None or self._n_waiting >= self._view.n_missing:
            return False
        return all(isinstance(item, AudioFrame) for item in self._inbox)

    async def _give_sound(self) -> None:
        frames = []
        while self._inbox and isinstance(self._inbox[0], AudioFrame):
            frames.append(self._inbox.popleft())
            self._n_waiting -= len(frames[-1].samples)
        view = self._view
        if view is not None:
            await self._answer(lambda: view.hear(frames), here=view.is_quick)

    async def _give_message(self, message: Any) -> None:
        if isinstance(message, said.StartCheck | said.StartLive | said.StartCollect | said.StartCalibrate):
            return await self._start(message)
        if isinstance(message, said.Stop):
            await self._leave_view()
            return self._send(said.Stopped())
        if isinstance(message, said.Forget):
            return await self._answer(lambda: forgotten(self._session.memory), slow=True)
        view = self._view
        if view is None:
            wrong = f"{message.type}: no view has begun; say start-live, start-check, ... first"
            return self._send(said.Error(code=said.ErrorCode.NOT_NOW, message=wrong))
        return await self._answer(lambda: view.told(message))

    async def _start(self, message: Any) -> None:
        await self._leave_view()
        self._rate_hz = message.audio.rate_hz

        def begin() -> Answer:
            # The view is kept even where its beginning fails, so that it is ended.
            self._view = self._make_view(message, self._session.memory)
            return self._view.begin()

        await self._answer(begin, slow=True)

    async def _answer(self, ask: Callable[[], Answer], *, slow: bool = False, here: bool = False) -> None:
        """Ask the view, send what it answers, and do the work that it leaves.

        Args:
            here: at once, for what takes a few milliseconds: threads that take turns for each of those take longer.
        """
        try:
            answer = ask() if here else await self._in_thread(ask, slow)
            self._send(*answer.messages)
            while answer.work is not None:
                answer = await self._in_thread(answer.work, slow=True)
                self._send(*answer.messages)
            over = answer.over
        except MienError as problem:
            self._send(error_of(problem))
            over = True
        if over:
            await self._leave_view()
            self._send(said.Stopped())

    async def _in_thread(self, ask: Callable[[], Answer], slow: bool) -> Answer:
        pool = self._pools.slow if slow else self._pools.quick
        self._job = asyncio.get_running_loop().run_in_executor(pool, ask)
        # A thread cannot be cancelled: `_leave_view` waits for it before the view is ended.
        return await asyncio.shield(self._job)

    async def _leave_view(self) -> None:
        if self._job is not None:
            await asyncio.wait([self._job])
            # A fault of what nobody waits for any more is told nowhere else.
            if not self._job.cancelled() and (problem := self._job.exception()) is not None:
                log.debug("a view's last work failed", exc_info=problem)
            self._job = None
        view, self._view = self._view, None
        if view is not None:
            await asyncio.get_running_loop().run_in_executor(self._pools.slow, view.end)

    # Writing.

    def _send(self, *sent: Any) -> None:
        for message in sent:
            if isinstance(message, said.Prediction) and len(self._outbox) >= self._limits.outbox:
                self._n_unsent += 1
            elif len(self._outbox) >= 4 * self._limits.outbox:
                self.close(said.CloseReason.STALLED, "too many answers wait to be read")
            else:
                self._outbox.append(message)
        self._to_send.set()

    async def _write(self) -> None:
        while True:
            await self._to_send.wait()
            self._to_send.clear()
            while self._outbox:
                message = self._outbox.popleft()
                if isinstance(message, said.Prediction) and self._n_unsent:
                    n_dropped = message.n_dropped_windows + self._n_unsent
                    message = message.model_copy(update={"n_dropped_windows": n_dropped})
                try:
                    await self._socket.send_text(message.model_dump_json())
                except (WebSocketDisconnect, RuntimeError, OSError):
                    if not self._over.done():
                        self._over.set_result(None)
                    return None
