# pyright: basic
"""The HTTP surface: chat completions, models, health. Decoding happens in the scheduler's thread."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException as RoutingError

from trainer.conversation import PromptRefused
from trainer.serving import scheduler as decoding
from trainer.serving.guard import App, Guard, Receive, Scope, Send
from trainer.serving.loading import Fleet, Served
from trainer.serving.protocol import AnswerShape, ApiError, ChatRequest, JsonObject, error_body, parse_request
from trainer.serving.sampling import Sampling
from trainer.serving.scheduler import Broken, Delta, Done, QueueFull, Scheduler, Update

DEFAULT_MAX_TOKENS = 1024
"""Longest answer in tokens when a client sets no limit: an endless answer would hold a row for the whole context."""


def build_app(fleet: Fleet, scheduler: Scheduler, api_key: str) -> App:
    """Return the ASGI application that serves `fleet`."""
    service = ChatService(fleet, scheduler)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=service.lifespan)
    app.add_api_route("/health", service.health, methods=["GET"])
    app.add_api_route("/v1/models", service.models, methods=["GET"])
    app.add_api_route("/v1/models/{name:path}", service.model, methods=["GET"])
    app.add_api_route("/v1/chat/completions", service.chat, methods=["POST"])
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(RoutingError, _routing_error)
    return Guard(app, api_key)


async def _api_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    headers = {"retry-after": "1"} if error.status == 429 else None
    return JSONResponse(error.body, error.status, headers=headers)


async def _routing_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException | RoutingError)
    message = f"{request.method} {request.url.path} is not part of this server: {error.detail}."
    return JSONResponse(error_body(message, code="unknown_url", kind="invalid_request_error"), error.status_code)


class Answer:
    """The updates of one request, carried from the decoding thread into the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._updates: asyncio.Queue[Update] = asyncio.Queue()

    def send(self, update: Update) -> None:
        """Take an update; called from the decoding thread."""
        # the loop is closed when the server stops with answers open: nobody is left to tell
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._updates.put_nowait, update)

    async def __aiter__(self) -> AsyncIterator[Update]:
        """Yield updates up to the last one."""
        while True:
            update = await self._updates.get()
            yield update
            if not isinstance(update, Delta):
                return


class ChatService:
    """The routes."""

    def __init__(self, fleet: Fleet, scheduler: Scheduler) -> None:
        self._fleet = fleet
        self._scheduler = scheduler
        self._created = int(time.time())
        self._encoding = ThreadPoolExecutor(max_workers=1, thread_name_prefix="encode")

    @asynccontextmanager
    async def lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        """Run the decoding thread for as long as the application runs."""
        self._scheduler.start()
        yield
        self._encoding.shutdown(wait=False, cancel_futures=True)

    async def health(self) -> JsonObject:
        """Say that the server runs."""
        return {"status": "ok"}

    async def models(self) -> JsonObject:
        """List the models."""
        return {"object": "list", "data": [self._card(name) for name in self._fleet.models]}

    async def model(self, name: str) -> JsonObject:
        """Describe one model."""
        return self._card(self._find(name).name)

    async def chat(self, request: Request) -> Response:
        """Answer a conversation."""
        wanted = parse_request(await request.body())
        served = self._find(wanted.model)
        prompt_ids = await self._encode(served, wanted)
        answer = Answer()
        work = decoding.Request(
            served,
            prompt_ids,
            _max_tokens(wanted, served, prompt_ids),
            _sampling(wanted, served),
            wanted.stop,
            answer.send,
        )
        try:
            self._scheduler.submit(work)
        except QueueFull as error:
            raise ApiError(429, "Too many requests wait already. Try again in a moment.", code="queue_full") from error
        shape = AnswerShape(f"chatcmpl-{secrets.token_hex(12)}", served.name)
        if wanted.stream:
            events = _events(answer, shape, include_usage=wanted.include_usage)
            return CancellingStream(events, partial(self._scheduler.cancel, work))
        return JSONResponse(await self._whole(request, work, answer, shape))

    def _card(self, name: str) -> JsonObject:
        context = self._fleet.models[name].context_length
        return {"id": name, "object": "model", "created": self._created, "owned_by": "tailor", "max_model_len": context}

    def _find(self, name: str) -> Served:
        if name not in self._fleet.models:
            names = ", ".join(self._fleet.models)
            message = f"There is no model of that name here. Models of this server: {names}."
            raise ApiError(404, message, code="model_not_found", param="model")
        return self._fleet.models[name]

    async def _encode(self, served: Served, wanted: ChatRequest) -> list[int]:
        messages = [message.plain() for message in wanted.messages]
        loop = asyncio.get_running_loop()
        try:
            ids = await loop.run_in_executor(self._encoding, served.encoder.encode, messages)
        except PromptRefused as error:
            message = f"The model's chat template refuses this conversation: {error}."
            raise ApiError(400, message, code="invalid_messages", param="messages") from error
        if not ids:
            raise ApiError(400, "The conversation is empty.", code="invalid_messages", param="messages")
        if len(ids) >= served.context_length:
            message = (
                f"The prompt has {len(ids)} tokens, but {served.name} reads at most {served.context_length} "
                "tokens of prompt and answer together. Shorten the messages."
            )
            raise ApiError(400, message, code="context_length_exceeded", param="messages")
        return ids

    async def _whole(self, request: Request, work: decoding.Request, answer: Answer, shape: AnswerShape) -> JsonObject:
        collected = asyncio.ensure_future(_collect(answer))
        left = asyncio.ensure_future(_until_disconnect(request))
        try:
            await asyncio.wait({collected, left}, return_when=asyncio.FIRST_COMPLETED)
            if not collected.done():
                raise ApiError(499, "The client left.", code="client_left")
            text, end = collected.result()
        finally:
            self._scheduler.cancel(work)
            collected.cancel()
            left.cancel()
        if isinstance(end, Broken):
            raise ApiError(503 if end.code == "server_stopping" else 500, end.message, code=end.code)
        return shape.whole(text, end)


class CancellingStream(StreamingResponse):
    """A stream of server-sent events that ends the decoding when it ends, because the client left for one."""

    def __init__(self, events: AsyncIterator[str], cancel: Callable[[], None]) -> None:
        super().__init__(events, media_type="text/event-stream", headers={"cache-control": "no-cache"})
        self._cancel = cancel

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._cancel()


async def _events(answer: Answer, shape: AnswerShape, *, include_usage: bool) -> AsyncIterator[str]:
    yield _event(shape.chunk({"role": "assistant", "content": ""}))
    async for update in answer:
        match update:
            case Delta(text):
                yield _event(shape.chunk({"content": text}))
            case Broken(message, code):
                yield _event(error_body(message, code=code, kind="server_error"))
            case Done():
                yield _event(shape.chunk({}, update.finish))
                if include_usage:
                    yield _event(shape.usage_chunk(update))
    yield "data: [DONE]\n\n"


async def _collect(answer: Answer) -> tuple[str, Done | Broken]:
    pieces: list[str] = []
    async for update in answer:
        if not isinstance(update, Delta):
            return "".join(pieces), update
        pieces.append(update.text)
    raise AssertionError("an answer always ends")


async def _until_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _max_tokens(wanted: ChatRequest, served: Served, prompt_ids: list[int]) -> int:
    limit = DEFAULT_MAX_TOKENS if wanted.limit is None else wanted.limit
    return min(limit, served.context_length - len(prompt_ids))


def _sampling(wanted: ChatRequest, served: Served) -> Sampling:
    default = served.default_sampling
    return Sampling(
        temperature=default.temperature if wanted.temperature is None else wanted.temperature,
        top_p=default.top_p if wanted.top_p is None else wanted.top_p,
        seed=wanted.seed,
    )


def _event(body: JsonObject) -> str:
    # ASCII alone: many clients also break lines at U+2028 and U+0085, which JSON leaves as they are
    return f"data: {json.dumps(body)}\n\n"
