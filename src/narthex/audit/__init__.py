"""What was done, by whom: a chain of rows in which no edit goes unseen.

records      an event, and the row that it becomes
levels       what is written at which level
personal     persons stand in the rows under pseudonyms
chain        each row holds the hash of the one before it
log          `Audit`, as the rest of Narthex sees it: notes that never wait, and rows within transactions
signing      statements under a key whose public half is everybody's
checkpoints  signed, outside the database: without them nobody sees that the last rows are gone
verifying    finds whatever was edited, deleted, swapped or cut off
pruning      lets go of the oldest rows, with a signed statement of what went
reading      lists and exports
keeper       the log of a server: takes checkpoints while it runs, and one when it stops
"""

from __future__ import annotations

from narthex.audit.log import Audit
from narthex.audit.records import Actor, Outcome

__all__ = ["Actor", "Audit", "Outcome"]
