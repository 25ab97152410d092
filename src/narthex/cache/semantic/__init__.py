"""Answers to questions that mean the same: found by meaning, held back by every doubt.

A look goes this way, and ends at the first step that says no:

questions     what is asked, and everything else of a request as one digest: only within it is looked
embedding     a vector of the question, within a budget of time
vectors       the nearest entries of the same digest; `graphs` where there are many
guards        numbers, dates, names, negations and their like that differ: never the same
verifier      how likely the same answer is wanted, by a model that is trained on pairs
thresholds    how sure that must be, for each category, learned from what is judged
admission     whose entries may serve whom
bounds        a category whose answers are found wrong too often is closed

engine        `Semantic`: all of it behind `look`, `learn`, `forget` and `judged`
aliases       pairs that a judge approved, and the queue of those that wait for one
sampling      which hits are also generated, to find out how often they are wrong
decisions     what was decided on which grounds, and the same decisions again
"""
