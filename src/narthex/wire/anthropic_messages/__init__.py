"""Anthropic's messages API, with the count of tokens.

wire              all of it, as `ChatWire` wants it
schema            the shapes read here
bodies            request bodies, and what is wrong with a bad one
request_decode    requests of clients; `content_decode` their blocks
request_encode    requests for providers; `content_encode` their turns and blocks
reasoning         how much the model may think; `generations` which settings a model takes
answer            whole answers, both ways
stream_parser     streams of providers; `stream_events`, `stream_blocks` and `stream_progress` are its pieces
stream_encoder    streams for clients; `stream_sequence` brings parts that interleave into a row
scanner           streams that pass through; `content` tells whether anything is said in them
usage, stop_reasons, errors, count_tokens
"""

from narthex.wire.anthropic_messages.count_tokens import decode_count, encode_count
from narthex.wire.anthropic_messages.request_decode import decode_count_request
from narthex.wire.anthropic_messages.request_encode import encode_count_request
from narthex.wire.anthropic_messages.wire import MessagesWire
from narthex.wire.contract import ChatWire

ANTHROPIC_MESSAGES: ChatWire = MessagesWire()

__all__ = [
    "ANTHROPIC_MESSAGES",
    "decode_count",
    "decode_count_request",
    "encode_count",
    "encode_count_request",
]
