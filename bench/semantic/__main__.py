"""Runs the trials of the semantic cache.

python -m bench.semantic offline [FILE …]   pairs that nothing was tuned on; FILE: JSON lines with a, b, same_answer
python -m bench.semantic online [REQUESTS]  a stream of questions, for four bounds and twenty seeds
python -m bench.semantic lookup [VECTORS]   recall and time of a look
python -m bench.semantic train              the verifier's weights anew
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.semantic import lookup, offline, online, train
from bench.semantic.pairs import intents, pairs, read


def main(arguments: list[str]) -> None:
    """Run what is named; everything but the training where nothing is."""
    match arguments:
        case ["train"]:
            train.main()
        case ["offline", *files]:
            print("pairs_test.txt: intents that nothing was tuned on")
            print("\n".join(offline.report(train.scored(pairs(intents("pairs_test.txt"))))))
            for file in files:
                print(file)
                print("\n".join(offline.report(train.scored(read(Path(file))))))
        case ["online", *said]:
            requests = int(said[0]) if said else 50_000
            print(f"a stream of {requests:,} questions, {online.SEEDS} seeds, intents that nothing was tuned on")
            for line in online.report(requests):
                print(line, flush=True)
        case ["lookup", *said]:
            print("\n".join(lookup.report(int(said[0]) if said else 100_000)))
        case _:
            sys.exit(__doc__)


main(sys.argv[1:])
