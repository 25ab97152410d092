"""OpenAI's realtime API on a socket: a session, what is said in it, and the model's responses."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, assert_never

import msgspec

from narthex.errors import InvalidRequest, NarthexError, PermissionDenied
from narthex.http.sockets.calls import Call
from narthex.http.sockets.contract import Line, Visit
from narthex.pipeline.exchange import Exchange
from narthex.pipeline.gateway import Engine
from narthex.types.dialects import Dialect
from narthex.wire.openai_realtime.conversation import Conversation
from narthex.wire.openai_realtime.items import Item, read_item
from narthex.wire.openai_realtime.requests import chat_request, inputs
from narthex.wire.openai_realtime.session import Session
from narthex.wire.openai_realtime.shapes import (
    ItemCreate,
    ItemDelete,
    ItemRetrieve,
    ItemTruncate,
    Known,
    ResponseBody,
    ResponseCancel,
    ResponseCreate,
    SessionUpdate,
    read_event,
    read_event_id,
    read_session,
)
from narthex.wire.openai_realtime.writer import ResponseWriter
from narthex.wire.openai_responses.schema import Json

MAX_RESPONSES: Final = 16
"""Responses at once on one socket."""

_ELSEWHERE: Final = {
    "call_id": "calls over WebRTC and SIP are not served; leave `call_id` out",
    "intent": "only conversations are served; leave `intent` out",
}

_encode = msgspec.json.Encoder().encode


def new_id(prefix: str) -> str:
    """Return an ID that nothing else has."""
    return f"{prefix}_{secrets.token_hex(10)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Response:
    """One that is under way."""

    writer: ResponseWriter
    call: Call
    in_conversation: bool


class Realtime:
    """One session, for as long as its socket is open."""

    def __init__(self, engine: Engine, visit: Visit, *, default_model: str, limit_bytes: int) -> None:
        """Begin a session.

        Args:
            engine: Takes its calls.
            visit: Who opened it, and how.
            default_model: Asked where nobody names one.
            limit_bytes: Most that its conversation holds.

        Raises:
            InvalidRequest: It was opened for something that there is not.
            PermissionDenied: The ephemeral key is for another model.
        """
        for name, remedy in _ELSEWHERE.items():
            if visit.query.get(name):
                raise InvalidRequest(f"{name}: {remedy}", param=name)
        self._engine = engine
        self._visit = visit
        self._session = _first(visit, default_model)
        self._id = new_id("sess")
        self._conversation_id = new_id("conv")
        self._conversation = Conversation(limit_bytes)
        self._responses: list[_Response] = []
        self._line: Line | None = None

    @property
    def busy(self) -> bool:
        """Whether a response is under way."""
        return bool(self._responses)

    def begin(self, line: Line) -> None:
        """Tell the client its session."""
        self._line = line
        self._emit({"type": "session.created", "session": self._session.shown(self._id)})

    def heard(self, message: bytes) -> None:
        """Do what an event of the client says, or tell it why not."""
        try:
            self._do(read_event(message))
        except NarthexError as error:
            self._refuse(error, read_event_id(message))

    def resumed(self) -> None:
        """Go on with what was held back."""
        for response in tuple(self._responses):
            response.call.resumed()

    def left(self) -> None:
        """End what is under way: nobody hears it any more."""
        for response in tuple(self._responses):
            response.call.cancel()

    # -- events of the client --------------------------------------------------------------------------------------

    def _do(self, event: Known) -> None:
        match event:
            case SessionUpdate():
                self._session = self._session.updated(event.session)
                self._emit({"type": "session.updated", "session": self._session.shown(self._id)})
            case ItemCreate():
                self._create(event)
            case ItemRetrieve():
                item = self._conversation.find(event.item_id)
                self._emit({"type": "conversation.item.retrieved", "item": item.shown()})
            case ItemDelete():
                self._conversation.remove(event.item_id)
                self._emit({"type": "conversation.item.deleted", "item_id": event.item_id})
            case ItemTruncate():
                self._truncate(event)
            case ResponseCreate():
                self._respond(event.response or ResponseBody())
            case ResponseCancel():
                self._cancel(event.response_id)
            case _:
                assert_never(event)

    def _create(self, event: ItemCreate) -> None:
        item = read_item(event.item, new_id("item"))
        before = self._conversation.insert(item, after=event.previous_item_id)
        for kind in ("added", "done"):
            told: Json = {"type": f"conversation.item.{kind}", "previous_item_id": before, "item": item.shown()}
            self._emit(told)

    def _truncate(self, event: ItemTruncate) -> None:
        item = self._conversation.find(event.item_id)
        if item.body.role != "assistant":
            raise InvalidRequest("item_id: only what the model said can be cut", param="item_id")
        raise InvalidRequest(
            "audio_end_ms: this item is text, of which nothing was played; to take it back, delete it, and create "
            "an item of role assistant with what shall stay",
            param="audio_end_ms",
        )

    def _respond(self, wish: ResponseBody) -> None:
        outside = _outside(wish.conversation)
        if len(self._responses) >= MAX_RESPONSES:
            raise InvalidRequest(f"{MAX_RESPONSES} responses are under way already; wait for one, or cancel one")
        if not outside and any(one.in_conversation for one in self._responses):
            raise InvalidRequest(
                "the conversation has a response under way already; wait for it, cancel it, or ask for one with "
                'conversation "none"'
            )
        if not outside:
            self._conversation.check_room(0)
        session = self._session.for_response(wish)
        items: list[Item] | Conversation = self._conversation
        if wish.input is not None:
            items = inputs(wish.input, self._conversation, lambda: new_id("item"))
        request = chat_request(session, items, wish.metadata)
        exchange = Exchange(Dialect.NATIVE, b"", self._visit.headers, request=request, caller=self._visit.caller)
        self._start(session, exchange, wish.metadata, outside=outside)

    def _start(self, session: Session, exchange: Exchange, metadata: dict[str, str] | None, *, outside: bool) -> None:
        assert self._line is not None
        writer = ResponseWriter(
            session,
            self._emit,
            new_id=new_id,
            conversation=None if outside else self._conversation,
            conversation_id=self._conversation_id,
            metadata=metadata,
        )
        call = Call(self._engine, exchange, self._line, writer, ended=self._ended)
        self._responses.append(_Response(writer=writer, call=call, in_conversation=not outside))
        call.start()

    def _cancel(self, response_id: str | None) -> None:
        for response in self._responses:
            if response.writer.id == response_id or (response_id is None and response.in_conversation):
                response.call.cancel()
                return
        named = "" if response_id is None else f" {response_id[:64]!r}"
        raise InvalidRequest(f"there is no response{named} to cancel", param="response_id")

    # -- events of the server --------------------------------------------------------------------------------------

    def _ended(self, call: Call) -> None:
        self._responses = [one for one in self._responses if one.call is not call]

    def _emit(self, event: Json) -> None:
        assert self._line is not None
        self._line.send(_encode({"event_id": new_id("event"), **event}))

    def _refuse(self, error: NarthexError, event_id: str | None) -> None:
        told = {
            "type": error.type,
            "code": error.code,
            "message": error.message,
            "param": error.param,
            "event_id": event_id,
        }
        self._emit({"type": "error", "error": told})


def first_session(said: Mapping[str, object], model: str) -> Session:
    """Return what a session begins with, from what is said of it where its key is made.

    Raises:
        InvalidRequest: That is not of this API.
        UnsupportedContent: It needs sound, or something that is not there.
    """
    body = read_session(said)
    return Session(model=model).updated(msgspec.structs.replace(body, model=msgspec.UNSET))


def _first(visit: Visit, default_model: str) -> Session:
    asked = visit.query.get("model") or ""
    if visit.session is None:
        return Session(model=asked or default_model)
    bound = visit.session.get("model") or ""
    if asked and bound and asked != bound:
        raise PermissionDenied(f"this ephemeral key is for the model {bound!r}", param="model")
    return first_session(visit.session, str(bound) or asked or default_model)


def _outside(conversation: str | None) -> bool:
    if conversation not in (None, "auto", "none"):
        raise InvalidRequest('response.conversation: use "auto" or "none"', param="response.conversation")
    return conversation == "none"
