"""The measuring kit: what a run is made of.

- `mock.c`, `load.c`: the provider behind the gateways and the client before them; `native` builds and runs them.
- `machine`: cores, processes, their CPU time and memory, and what else the machine was doing.
- `targets`: the gateways that can be measured, and how each is started; `conf/` holds their configuration.
- `probes`: first answers, start times, and whether an answer is the one that the provider gave.
- `scenarios`: the traffic, and how long each run takes.
- `session`: starts everything, measures in interleaved rounds, ends everything.
- `records`: what was measured, as values and as JSON lines.
- `goals`, `report`: the tables.
"""
