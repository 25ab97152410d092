"""Tests of whole answers told in pieces."""

from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from narthex.types.answers import ChatAnswer, Choice, FinishReason, TokenLogprob
from narthex.types.events import TextDelta, ToolCallDelta
from narthex.types.folding import fold, unfold
from narthex.types.messages import Message, Part, Reasoning, Refusal, Text, ToolCall
from narthex.types.pieces import MAX_PIECE_CHARACTERS, in_pieces, pieces
from narthex.types.usage import Usage

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=300)
WORDS = st.lists(st.sampled_from(["a", "word", "longer-than-that", "\n", "  ", "é", "漢字"]), max_size=80).map(" ".join)


def answer_of(*parts: Part, logprobs: tuple[TokenLogprob, ...] | None = None) -> ChatAnswer:
    """Return an answer that says these parts."""
    choice = Choice(
        index=0,
        message=Message(role="assistant", parts=parts),
        finish_reason=FinishReason.STOP,
        logprobs=logprobs,
    )
    return ChatAnswer(id="a", model="m", created_at=7, choices=(choice,), usage=Usage(input_tokens=3, output_tokens=4))


@given(st.one_of(TEXT, WORDS))
def test_pieces_join_to_the_text(text: str) -> None:
    """Nothing is lost and nothing added, and no piece is empty or much longer than asked for."""
    cut = list(pieces(text))
    assert "".join(cut) == text
    assert all(0 < len(piece) <= MAX_PIECE_CHARACTERS for piece in cut)


def test_words_stay_whole() -> None:
    """A text of ordinary words is cut behind white space only."""
    text = "The quick brown fox jumps over the lazy dog, again and again, until nobody counts any more."
    cut = list(pieces(text))
    assert len(cut) > 2
    assert all(piece.endswith(" ") for piece in cut[:-1])


def test_characters_are_not_torn() -> None:
    """Emoji of several code points, accents and flags stay in one piece, wherever the limit falls."""
    for family in ("👩‍👩‍👧", "é", "🇦🇹", "👍🏽", "❤️", "\r\n"):
        for lead in range(MAX_PIECE_CHARACTERS):
            cut = list(pieces("x" * lead + family * 30))
            assert "".join(cut) == "x" * lead + family * 30
            if family != "🇦🇹":
                assert all(piece.lstrip("x").count(family) * len(family) == len(piece.lstrip("x")) for piece in cut)


@given(st.one_of(TEXT, WORDS), TEXT, TEXT, st.dictionaries(TEXT, TEXT, max_size=5))
def test_an_answer_in_pieces_is_the_same_answer(text: str, refusal: str, thought: str, said: dict[str, str]) -> None:
    """Texts, refusals, thoughts with their signature and arguments of tools are folded to what they were."""
    answer = answer_of(
        Reasoning(text=thought, signature="s"),
        Text(text=text, citations=({"type": "url_citation"},)),
        ToolCall(id="c", name="f", arguments=json.dumps(said)),
        Refusal(text=refusal),
    )
    assert fold(in_pieces(unfold(answer))) == fold(unfold(answer))


@given(st.dictionaries(TEXT, TEXT, min_size=1, max_size=5))
def test_arguments_are_not_cut_within_escapes(said: dict[str, str]) -> None:
    """No piece of a tool's arguments ends in the middle of an escape of JSON."""
    arguments = json.dumps(said)
    cut = [e.arguments for e in in_pieces([ToolCallDelta(arguments=arguments)]) if isinstance(e, ToolCallDelta)]
    assert "".join(cut) == arguments
    for piece in cut:
        assert re.fullmatch(r"(?:\\u[0-9a-f]{4}|\\[^u]|[^\\])+", piece, re.DOTALL)


@given(st.lists(st.text(alphabet="ab c", min_size=1, max_size=9), max_size=60))
def test_log_probabilities_go_with_their_tokens(tokens: list[str]) -> None:
    """Each piece tells of exactly the tokens that it is made of."""
    logprobs = tuple(TokenLogprob(token=token, logprob=-1.0) for token in tokens)
    answer = answer_of(Text(text="".join(tokens)), logprobs=logprobs)
    cut = [event for event in in_pieces(unfold(answer)) if isinstance(event, TextDelta)]
    assert all("".join(one.token for one in event.logprobs or ()) == event.text for event in cut)
    assert fold(in_pieces(unfold(answer))) == fold(unfold(answer))


def test_log_probabilities_of_parts_of_characters_are_not_lost() -> None:
    """Where tokens do not join to the text, all are told with its first piece."""
    logprobs = (TokenLogprob(token="\ufffd", logprob=-1.0), TokenLogprob(token="\ufffd", logprob=-2.0))
    answer = answer_of(Text(text="ü" * 100), logprobs=logprobs)
    assert fold(in_pieces(unfold(answer))) == answer
