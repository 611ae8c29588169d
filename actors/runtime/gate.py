"""What a host and its guest both see without asking: how far the guest has come, and whether it may go on.

Five numbers in one page: an array for a thread, shared memory for a process, so that it is still there when the other side was killed::

    begun    number of the last message that the guest has begun
    done     number of the last one that it was through with
    sealed   the guest begins nothing any more
    paused   the guest begins nothing until it is told to go on
    beats    grows while the guest's loop turns

A guest writes `begun` and then looks at `sealed`; a host writes `sealed` and then looks at `begun`, each with a memory fence between. So
what a host finds unbegun behind a seal is never begun there, and may be given to another instance.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from threading import Lock

BEGUN, DONE, SEALED, PAUSED, BEATS = range(5)
SIZE = 5 * 8


class Gate:
    """See the module. `page` is anything writable of `SIZE` bytes; both sides have a `Gate` on the same one."""

    def __init__(self, page: bytearray | mmap.mmap) -> None:
        self._page = page
        self._words = memoryview(page).cast("Q")
        self._fence = Lock()  # taking a lock is a full fence, which Python has no other word for

    # ---- the guest's

    def begin(self, number: int) -> bool:
        """Whether this message may be begun. From now on it counts as begun."""
        self._words[DONE] = self._words[BEGUN]
        self._words[BEGUN] = number
        with self._fence:
            return not self._words[SEALED]

    def rest(self) -> None:
        """What was begun is done."""
        self._words[DONE] = self._words[BEGUN]

    def beat(self) -> None:
        """The loop turns."""
        self._words[BEATS] += 1

    # ---- the host's

    def seal(self) -> None:
        """Nothing is begun any more. `begun` stays as it is, but for one that is not handled any more."""
        self._words[SEALED] = 1
        with self._fence:
            return

    def pause(self, paused: bool) -> None:
        """Nothing is begun for a while, or again."""
        self._words[PAUSED] = paused

    @property
    def paused(self) -> bool:
        """Whether the guest is to wait."""
        return bool(self._words[PAUSED])

    def close(self) -> None:
        """Gives shared memory, and the descriptor that keeps it, back at once. Only who looks no more may say so."""
        if isinstance(self._page, mmap.mmap):
            self._words.release()
            self._page.close()

    @property
    def sealed(self) -> bool:
        """Whether the guest has been cut off."""
        return bool(self._words[SEALED])

    @property
    def begun(self) -> int:
        """The last message begun."""
        return self._words[BEGUN]

    @property
    def done(self) -> int:
        """The last message done with."""
        return self._words[DONE]

    @property
    def beats(self) -> int:
        """Grows while the guest's loop turns."""
        return self._words[BEATS]


def shared_page() -> int:
    """A descriptor of a page that two processes can share; to be closed once both have mapped it."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("undying-gate")
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, SIZE)
    return fd


def gate_at(fd: int) -> Gate:
    """The gate in a shared page."""
    return Gate(mmap.mmap(fd, SIZE))
