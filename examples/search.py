"""Find the sentence that means the same: `python examples/search.py "a place to sleep"`."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

from narthex import Client

SENTENCES = (
    "The bedroom is on the second floor.",
    "Breakfast is served from seven to ten.",
    "The train to the coast leaves at noon.",
    "Dogs are welcome in the garden.",
)


def likeness(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the cosine of the angle between two vectors: 1 for the same direction."""
    product = sum(a * b for a, b in zip(one, other, strict=True))
    return product / (math.hypot(*one) * math.hypot(*other))


def main() -> None:
    """Print the sentences, the likest first."""
    query = sys.argv[1] if len(sys.argv) > 1 else "a place to sleep"
    with Client() as client:
        asked, *known = client.embed([query, *SENTENCES], model="local/minilm").vectors
    ranked = sorted(zip(SENTENCES, known, strict=True), key=lambda pair: -likeness(asked, pair[1]))
    for sentence, vector in ranked:
        print(f"{likeness(asked, vector):.2f}  {sentence}")


if __name__ == "__main__":
    main()
