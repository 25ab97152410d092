"""Pure translators and parsers: bytes in, values out, no I/O, no clock.

contract             what a dialect of chat must be able to do
sse                  server-sent events: split at any byte, encode
splice               change one field of a JSON body without re-encoding the rest
openai_chat/         OpenAI chat completions
openai_embeddings    OpenAI embeddings
anthropic_messages/  Anthropic messages, with count_tokens
registry             the dialects there are
"""
