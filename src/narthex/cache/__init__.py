"""Answers that are given again: tiers of memory, what may be kept, and how it is found."""
