"""OpenAI chat completions, both ways, whole and streamed.

wire               the dialect as one object: `OPENAI_CHAT`

schema             the shape of requests
request_decoding   requests of clients, with message_decoding
request_encoding   requests for providers, with message_encoding

chunks             the shape of answers, whole or in chunks
choices            what one choice says, as events
answers            whole answers, both ways
completion         when a streamed answer is whole
parser             streams of providers
encoder            streams for clients, with written
scanner            streams that pass through, with templates
content            whether anything is said in a part of a stream
errors             errors, both ways
"""

from narthex.wire.openai_chat.wire import OPENAI_CHAT

__all__ = ["OPENAI_CHAT"]
