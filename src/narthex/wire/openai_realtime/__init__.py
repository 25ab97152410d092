"""OpenAI's realtime API, for text: events of a client in, events of a server out, over one socket.

https://platform.openai.com/docs/api-reference/realtime

`shapes` are the client's events, `session` what is set, `items` and `conversation` what was said, `requests` makes a
call of it all, and `writer` tells the answer.
"""
