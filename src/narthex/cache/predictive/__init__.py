"""What will be asked next, learned from what one and the same principal asked before; and when fetching it early pays.

sequences  what follows what, in contexts of up to three questions (prediction by partial matching)
record     whether predictions come true: bets that cost nothing, and a bound on how many are won; for each rung its own
worth      from which probability on it pays
mind       all that is known of one principal, bounded in memory
minds      those of all principals, apart from one another

Nothing here sends anything, and nothing is written down: a restart loses predictions and nothing else.
"""
