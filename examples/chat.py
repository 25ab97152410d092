"""A conversation in the terminal: `python examples/chat.py [MODEL]`; an empty line ends it."""

from __future__ import annotations

import sys

from narthex import Client
from narthex.types.events import TextDelta
from narthex.types.messages import Message, Text


def say(role: str, text: str) -> Message:
    """Return one message of the conversation."""
    return Message(role="assistant" if role == "assistant" else "user", parts=(Text(text=text),))


def main() -> None:
    """Take turns until the user has nothing more to say."""
    model = sys.argv[1] if len(sys.argv) > 1 else None
    conversation: list[Message] = []
    with Client() as client:
        while prompt := input("> ").strip():
            conversation.append(say("user", prompt))
            answer = ""
            for event in client.chat(conversation, model=model, stream=True):
                if isinstance(event, TextDelta):
                    answer += event.text
                    print(event.text, end="", flush=True)
            print()
            conversation.append(say("assistant", answer))


if __name__ == "__main__":
    main()
