"""Runs the trials of the semantic cache.

python -m bench.semantic offline [FILE …]   pairs that nothing was tuned on; FILE: JSON lines with a, b, same_answer
python -m bench.semantic public             the public pairs and conversations of the package fow-cache, if it is there
python -m bench.semantic online [REQUESTS]  a stream of questions, for four bounds and twenty seeds
python -m bench.semantic index [--entries N] [--scopes N]   recall and time of a look, in one scope or in many
python -m bench.semantic train              the verifier's weights anew
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.semantic import index, offline, online, public, train
from bench.semantic.pairs import intents, pairs, read
from bench.semantic.train import Scored


def told(of: list[Scored], chosen: dict[float, float]) -> None:
    """Print what comes of pairs."""
    for line in (*offline.report(of), *offline.at_thresholds(of, chosen), *offline.nested(of), *offline.as_shipped(of)):
        print(line, flush=True)


def main(arguments: list[str]) -> None:
    """Run what is named; everything but the training where nothing is."""
    match arguments:
        case ["train"]:
            train.main()
        case ["offline", *files]:
            print("pairs_test.txt: intents that nothing was tuned on")
            chosen = offline.thresholds()
            told(train.scored(pairs(intents("pairs_test.txt"))), chosen)
            for file in files:
                print(file)
                told(train.scored(read(Path(file))), chosen)
        case ["public"]:
            print("fow-cache: pairs that others wrote, and nothing was tuned on")
            chosen = offline.thresholds()
            told(train.scored(public.pairs()), chosen)
            print("\n".join(public.conversations(chosen)))
        case ["online", *said]:
            requests = int(said[0]) if said else 50_000
            print(f"a stream of {requests:,} questions, {online.SEEDS} seeds, intents that nothing was tuned on")
            for line in online.report(requests):
                print(line, flush=True)
        case ["index", *said] if len(said) % 2 == 0 and set(said[::2]) <= {"--entries", "--scopes"}:
            asked = {name: int(value) for name, value in zip(said[::2], said[1::2], strict=True)}
            print("\n".join(index.report(asked.get("--entries", 100_000), asked.get("--scopes", 1))))
        case _:
            sys.exit(__doc__)


main(sys.argv[1:])
