"""Everything that can answer: connection apart from wire apart from facts.

contract     what the pipeline asks of a provider
rows         the OpenAI-compatible vendors, a data row each
transport/   our HTTP/1.1 client: pools, timeouts, TLS
remote       a provider behind an address
key_books    what was said of a provider's keys
remote_keys  the same with several keys, used in turn
scripted     deterministic answers and faults, for tests, demos and benchmarks
embedded/    the model inside
registry     names to providers and models
"""
