"""Answers that the server owns.

stream   an append-only log of numbered frames: one producer, any number of readers with a cursor
relay    such a log once more, for one of several callers
"""
