"""A provider that follows a script: for tests, demos and benchmarks, with no model and no network.

provider    answers calls
options     what it can be told
prompts     what it sees of a request
answers     what it answers
instances   values for JSON schemas (on schemas, patterns)
vectors     embeddings
steps       when each event comes
faults      what takes the place of an answer
spoiling    what goes wrong inside one
directives  what prompts may ask for
texts       words and tokens
"""

from __future__ import annotations

from narthex.providers.scripted.options import ScriptOptions
from narthex.providers.scripted.provider import ScriptedProvider

__all__ = ["ScriptOptions", "ScriptedProvider"]
