"""What was said in a session, in order, within a bound."""

from __future__ import annotations

from collections.abc import Iterator

from narthex.errors import ContextTooLong, InvalidRequest
from narthex.wire.openai_realtime.items import Item

ROOT = "root"
"""Stands for the place before the first item."""
MAX_ITEMS = 4_096


class Conversation:
    """The items of a session."""

    def __init__(self, limit_bytes: int) -> None:
        """Begin without any; what clients add beyond `limit_bytes` is refused."""
        self._items: list[Item] = []
        self._limit_bytes = limit_bytes
        self._size_bytes = 0

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def insert(self, item: Item, *, after: str | None = None) -> str | None:
        """Put an item of a client in, and return the ID of the one before it.

        Raises:
            ContextTooLong: There is no room for it.
            InvalidRequest: Its ID is taken, or there is none of the ID that it shall follow.
        """
        if any(one.id == item.id for one in self._items):
            raise InvalidRequest(f"item.id: there is an item {item.id!r} already", param="item.id")
        self.check_room(item.size_bytes)
        place = self._place(after)
        self._items.insert(place, item)
        self._size_bytes += item.size_bytes
        return self._items[place - 1].id if place else None

    def check_room(self, more_bytes: int) -> None:
        """Make sure that there is room for one more item.

        Raises:
            ContextTooLong: There is none.
        """
        if self._size_bytes + more_bytes > self._limit_bytes or len(self._items) >= MAX_ITEMS:
            raise ContextTooLong(
                f"the conversation would be larger than {self._limit_bytes} bytes, as `sockets.max_conversation_bytes` "
                f"says, or {MAX_ITEMS} items; delete items that are not needed"
            )

    def append(self, item: Item) -> str | None:
        """Add an item of the model, of any size, and return the ID of the one before it.

        That there is some room is to be made sure of before the model is asked.
        """
        self._items.append(item)
        return self._items[-2].id if len(self._items) > 1 else None

    def weigh(self, item: Item, size_bytes: int) -> None:
        """Take note of what an item of the model has come to, if it is still there."""
        if item in self._items:
            self._size_bytes += size_bytes - item.size_bytes
            item.size_bytes = size_bytes

    def find(self, item_id: str) -> Item:
        """Return an item.

        Raises:
            InvalidRequest: There is none of that ID.
        """
        item = next((one for one in self._items if one.id == item_id), None)
        if item is None:
            raise InvalidRequest(f"item_id: there is no item {item_id[:64]!r}", param="item_id")
        return item

    def remove(self, item_id: str) -> None:
        """Take an item out; raises as `find` does."""
        item = self.find(item_id)
        self._items.remove(item)
        self._size_bytes -= item.size_bytes

    def _place(self, after: str | None) -> int:
        if after is None:
            return len(self._items)
        if after == ROOT:
            return 0
        for place, item in enumerate(self._items):
            if item.id == after:
                return place + 1
        raise InvalidRequest(
            f"previous_item_id: there is no item {after[:64]!r}; use an item's ID, or {ROOT!r}",
            param="previous_item_id",
        )
