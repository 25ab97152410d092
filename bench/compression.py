"""What compression saves, and what it costs, on data that it was not trained on.

    python -m bench.compression [--json]

The prose is that of Python's own help pages and of this repository's documents: whole pages are either trained on or
tried, never both, and what shares more than a tenth of its runs of five words with anything trained on is left out.
The short answers are made of sentences from there, in the shape of a chat completion, with random IDs and counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from pydoc_data.topics import topics

from narthex.compression.compressor import Compressor
from narthex.compression.contract import Policy
from narthex.compression.dictionaries import MemoryDictionaries

TRAINED = 2_000
TRIED = 500
_RUN = 5
_ALIKE = 0.1
_MODELS = ("gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18", "llama-3.3-70b-versatile", "mistral-large-latest")
_ENDS = ("stop", "stop", "stop", "length")


def pages() -> list[str]:
    """Return the prose there is, a page each."""
    documents = [path.read_text(encoding="utf-8") for path in sorted(Path("docs").rglob("*.md"))]
    return [re.sub(r"[ \t]+", " ", text) for text in (*topics.values(), *documents) if len(text) > 500]


def sentences(page: str) -> list[str]:
    """Return the sentences of a page that read like an answer."""
    found = re.split(r"(?<=[.!?])\s+", page.replace("\n", " "))
    return [one for one in found if 30 <= len(one) <= 280]


def answer(chance: random.Random, pool: Sequence[str]) -> bytes:
    """Return a short chat completion."""
    at, made = chance.randrange(len(pool)), chance.randint(1, 4)
    text = " ".join(pool[at : at + made])[:560]
    message = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    prompt, completion = chance.randint(8, 900), max(1, len(text) // 4)
    body: dict[str, object] = {
        "id": f"chatcmpl-{chance.getrandbits(116):029x}",
        "object": "chat.completion",
        "created": 1_750_000_000 + chance.randrange(30_000_000),
        "model": chance.choice(_MODELS),
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": chance.choice(_ENDS)}],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "system_fingerprint": f"fp_{chance.getrandbits(40):010x}",
    }
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def prose(chance: random.Random, page: str) -> bytes:
    """Return a piece of a page, as long as a long answer."""
    size = chance.randint(2_000, 8_000)
    begin = chance.randrange(max(1, len(page) - size))
    return page[begin : begin + size].encode()


def runs(data: bytes) -> set[int]:
    """Return the runs of words in something."""
    words = re.findall(r"\w+", data.decode(errors="ignore").lower())
    return {hash(tuple(words[at : at + _RUN])) for at in range(len(words) - _RUN + 1)}


def unlike(tried: Sequence[bytes], trained: Sequence[bytes], text: re.Pattern[bytes] | None) -> list[bytes]:
    """Return what shares next to nothing with what was trained on, by its text."""

    def words(data: bytes) -> set[int]:
        found = None if text is None else text.search(data)
        return runs(data if found is None else found[1])

    known: set[int] = set()
    for one in trained:
        known |= words(one)
    return [one for one in tried if len((mine := words(one)) & known) <= _ALIKE * max(1, len(mine))]


def sets() -> dict[str, tuple[list[bytes], list[bytes]]]:
    """Return what is trained on and what is tried, by name."""
    chance = random.Random(7)
    whole = pages()
    chance.shuffle(whole)
    cut = len(whole) * 3 // 4
    given, kept = whole[:cut], whole[cut:]
    pools = [[one for page in part for one in sentences(page)] for part in (given, kept)]
    short = ([answer(chance, pools[0]) for _ in range(TRAINED)], [answer(chance, pools[1]) for _ in range(TRIED)])
    long = ([prose(chance, chance.choice(given)) for _ in range(400)], [prose(chance, one) for one in kept * 3])
    content = re.compile(rb'"content":"(.*?)","refusal"')
    return {
        "chat responses": (short[0], [one for one in unlike(short[1], short[0], content) if len(one) <= 1_024]),
        "prose": (long[0], unlike(long[1], long[0], None)),
    }


def compressor(policy: Policy, trained: Sequence[bytes]) -> Compressor:
    """Return one as the server has it, which has seen what it is trained on."""

    async def learn() -> Compressor:
        tasks: list[asyncio.Task[None]] = []
        made = Compressor(
            {"cache": policy},
            MemoryDictionaries(),
            lambda work: tasks.append(asyncio.ensure_future(work)),
            random=random.Random(7),
        )
        for one in trained:
            made.compress(one, kind="cache", namespace="bench")
            await asyncio.gather(*tasks)
        return made

    return asyncio.run(learn())


def row(name: str, made: Compressor, tried: Sequence[bytes]) -> dict[str, object]:
    """Return the figures of one way to compress, the heads of the frames included."""
    stored, times, reads = [], [], []
    for one in tried:
        begin = time.perf_counter_ns()
        stored.append(made.compress(one, kind="cache", namespace="bench"))
        times.append(time.perf_counter_ns() - begin)
    for one, short in zip(tried, stored, strict=True):
        begin = time.perf_counter_ns()
        plain = made.decompress(short, kind="cache", namespace="bench")
        reads.append(time.perf_counter_ns() - begin)
        assert plain == one
    each = sorted(len(one) / len(short) for one, short in zip(tried, stored, strict=True))
    return {
        "codec": name,
        "ratio": round(sum(map(len, tried)) / sum(map(len, stored)), 2),
        "ratio_p10": round(each[len(each) // 10], 2),
        "ratio_p90": round(each[len(each) * 9 // 10], 2),
        "compress_us": round(statistics.median(times) / 1_000, 1),
        "decompress_us": round(statistics.median(reads) / 1_000, 1),
    }


WAYS = {
    "zstd-3": Policy(level=3, trains=False),
    "zstd-5": Policy(level=5, trains=False),
    "gzip-6": Policy(codec="gzip", level=6),
    "brotli-5": Policy(codec="brotli", level=5),
    "zstd-3, trained": Policy(level=3),
    "zstd-5, trained": Policy(level=5),
    "zstd-9, trained": Policy(level=9),
}


def measured(trained: Sequence[bytes], tried: Sequence[bytes]) -> list[dict[str, object]]:
    """Return the figures of every way on one set."""
    return [row(name, compressor(policy, trained if policy.trains else ()), tried) for name, policy in WAYS.items()]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    for name, (trained, tried) in sets().items():
        size = sum(map(len, tried)) // len(tried)
        rows = measured(trained, tried)
        if asked.json:
            print(json.dumps({"set": name, "trained": len(trained), "tried": len(tried), "bytes": size, "rows": rows}))
            continue
        print(f"\n{name}: {len(trained)} trained on, {len(tried)} tried, {size} bytes each\n")
        print("| codec | ratio | 10 % of them below | 10 % above | µs in | µs out |\n|---|---|---|---|---|---|")
        for one in rows:
            print("| " + " | ".join(str(value) for value in one.values()) + " |")


if __name__ == "__main__":
    main()
