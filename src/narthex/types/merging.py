"""How the answers of several models are made one."""

from __future__ import annotations

from typing import Final, Literal, get_args

MergeMode = Literal["interleave", "race", "sequence", "best_of"]
"""All as they come, each a choice of its own; whose content comes first; one after the other; what a judge chooses."""

MERGE_MODES: Final[tuple[MergeMode, ...]] = get_args(MergeMode)
MAX_MERGED: Final = 8
"""Most models of one call."""
MERGE_PREFIX: Final = "merge:"
"""Begins the name of a model that is several: `merge:a/x,b/y`."""
