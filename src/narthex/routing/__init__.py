"""Which model serves a call, and who is next in line: pure decisions, each with its reason.

virtual      plain names that stand for several models, and chains of fallbacks
candidates   a model that may serve a call, and why it stands where it stands
figures      what is known of models at this moment: calls in flight, latency
strategies   the orders in which members of a virtual model can be put
balancing    tiers, draining and slow start around a strategy
budgets      what virtual models may spend, and what models cost
pacing       what was spent, and who serves by that
cascades     what an answer must be like, or the next member is asked
facts        what is known of a call
conditions   which calls a rule is about
rules        rules over calls: send elsewhere, split by percentage, shadow
verdicts     what a rule says of a call, in words
plan         the whole decision, explained; made by the router
windows      the candidates left for a call that is too long for one of them
"""
