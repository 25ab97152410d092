"""Entries as they are written outside of memory."""

from __future__ import annotations

import pytest

from narthex.cache.entries import CorruptEntry
from narthex.cache.tiers.packing import Packing, dictionary_from, dictionary_written, scope_of
from narthex.compression.compressor import Compressor
from narthex.compression.contract import Policy
from narthex.compression.dictionaries import MemoryDictionaries, dictionary
from narthex.compression.zstandard import train
from narthex.errors import DictionaryMissing, FrameUnreadable
from tests.cache.kept import ENTRY, entry
from tests.compression.samples import answers

ANSWER = b'{"choices": [{"message": {"content": "The answer to question 51 is forty-two, as it always was."}}]}'
NAMESPACE = f"cache:{ENTRY.scope}"


def packing(*contents: bytes) -> Packing:
    """Return one that has learned something, or nothing."""
    store = MemoryDictionaries()
    for content in contents:
        store.put(dictionary(NAMESPACE, content))
    return Packing(Compressor({"cache": Policy()}, store))


async def test_what_is_written_is_read() -> None:
    """Small, as it was; under its own key alone."""
    made = packing()
    large = entry(data=b"word " * 2_000)
    value = await made.written(large)
    assert len(value) < 1_000
    assert await made.read(value, large.key) == large
    assert (scope_of(value), made.dictionary_name(value), made.dictionary_of(value)) == (ENTRY.scope, b"", None)
    with pytest.raises(CorruptEntry):
        await made.read(value, b"o" * 32)


async def test_damage_is_found() -> None:
    """Whatever byte is changed, and wherever it is cut; and one scope never reads another's."""
    made = packing()
    value = await made.written(entry(data=ANSWER))
    for place in range(len(value)):
        for broken in (value[:place], value[:place] + bytes([value[place] ^ 0x41]) + value[place + 1 :]):
            with pytest.raises((CorruptEntry, FrameUnreadable)):
                await made.read(broken, ENTRY.key)
    with pytest.raises(CorruptEntry, match="another scope"):
        await made.read((1).to_bytes(2, "big") + b"x" + value[2 + len(ENTRY.scope) :], ENTRY.key)


async def test_a_dictionary_is_learned_from_another_process() -> None:
    """What one wrote with its own is read by another that was told it; one that is damaged is not taken."""
    content, said = train(answers(200), 8_192, 3), answers(201)[-1]
    one, other = packing(content), packing()
    value = await one.written(entry(data=said))
    with pytest.raises(DictionaryMissing):
        await other.read(value, ENTRY.key)
    name, made = one.dictionary_name(value), one.dictionary_of(value)
    assert made is not None
    assert made.id == name
    told = dictionary_written(made)
    assert dictionary_from(told[:-1], name) is None
    assert dictionary_from(b"\xff", name) is None
    await other.learn(dictionary_from(told[:-1], name))
    await other.learn(dictionary_from(told, name))
    assert (await other.read(value, ENTRY.key)).data == said
