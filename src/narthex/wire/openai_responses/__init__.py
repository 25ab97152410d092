"""OpenAI's responses API.

wire              all of it, as `ChatWire` wants it
schema            the shapes read here
request_decode    requests of clients; `items_decode` their items, `content_decode` the parts of these
request_encode    requests for providers; `items_encode` their items
answer            whole answers, both ways
stream_parser     streams of providers
stream_encoder    streams for clients; `stream_items` are the items in the making
scanner           streams that pass through; `content` tells whether anything is said in them
written           the response object and its items, as they are written
bodies, endings, usage
"""

from narthex.wire.contract import ChatWire
from narthex.wire.openai_responses.wire import ResponsesWire

OPENAI_RESPONSES: ChatWire = ResponsesWire()

__all__ = ["OPENAI_RESPONSES"]
