"""The fault wall: a provider that misbehaves on demand, over real sockets, on the wires of OpenAI and Anthropic.

    with Wall() as wall:
        client = openai.OpenAI(base_url=f"{wall.url}/v1", api_key="none")
        client.chat.completions.create(model="fault-stall", ...)
        assert wall.visits[0].is_left

server    the wall itself
asking    what it sees of a request
replies   what a healthy model says to that
layouts   how that is written on a wire, piece by piece
refusals  errors in the words of a wire
plays     what is done about it, act by act, when something goes wrong
choice    which fault is due: by header, by the model's name, or by a script
doors     addresses that fail before any request
visits    what it saw and sent
"""

from __future__ import annotations

from narthex.testing.wall.choice import UnknownFault
from narthex.testing.wall.server import Wall
from narthex.testing.wall.visits import Visit

__all__ = ["UnknownFault", "Visit", "Wall"]
