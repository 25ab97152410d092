"""The benchmark: Narthex beside nginx, Envoy and installed peers, where its time goes, and what its parts cost.

- `python -m bench`: the tables and the goals (`run`).
- `python -m bench.profile`: where the time of a running server goes.
- `python -m bench.micro`: the parts of the hot path, one by one.
- `python -m bench.streams`: many streams at once, their first byte and their longest stall.
- `python -m bench.selfcheck`: proves that the load client counts no wrong answer.

`kit` is what they are made of; `README.md` says what each figure means.
"""
