"""What processes share: small notes on how things stand, kept in Redis or Valkey while it is there.

notes        what a note is, and which of two that contradict each other holds: the reference, in memory
replica      what one process knows of the notes, what it wrote itself, and how the two are brought together
link         a connection to Redis or Valkey, which comes back by itself and for which nobody waits
redis_notes  the notes in Redis
shelves      things kept for their owners for a while, bounded in bytes and age: the contract, and the one in memory
compressed_shelf  such a shelf on which things lie compressed

Notes are never asked for while a call is under way: they are taken over as they are written, and read where they are.
"""
