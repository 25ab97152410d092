"""What keeps calls whole when providers fail: decisions, limits and counters, each on its own, without I/O.

decisions     what a failure means for the call: again here, elsewhere, a larger window, or the truth
backoff       how long to wait before the same target is asked again
budget        how many retries all calls together may make
scopes        how far a failure reaches: one model, the whole provider, or nobody
breakers      how a target is left alone for now, and how it comes back
gates         the breakers before one model: its own, and its provider's
boards        all breakers by name
windows       what happened to a target lately
cooling       which of a provider's keys may be used now
concurrency   how many calls a target bears at once
queueing      who waits for such a place
hedges        what became of second attempts beside late ones
latency       how fast a target usually is, and how many calls may be hedged
idempotency   the same request twice is one call
recovery      what failed, what was rescued and by which way, what was lost

A policy is a frozen value; a clock is a function that returns seconds, and chance is a `random.Random`.
"""
