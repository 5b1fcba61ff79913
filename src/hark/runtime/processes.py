"""What the operating system is asked to do with this process (Linux; elsewhere nothing)."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable

# <linux/prctl.h>
_PR_SET_PDEATHSIG = 1
_PR_SET_THP_DISABLE = 41


def die_with_parent(parent_pid: int) -> None:
    """Have this process killed when its parent dies, however that happens.

    Args:
        parent_pid: who the parent is. If it died before this call took effect, nobody would
            tell us any more, so this process ends itself.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)


def use_small_pages() -> None:
    """Keep the kernel from backing the heap with 2 MiB pages.

    Small buffers come and go on each link; with huge pages a heap full of holes keeps its
    pages, and an idle link that needs 16-26 KB was seen to cost 138 KB.
    """
    _prctl(_PR_SET_THP_DISABLE, 1)


def on_stop_signal(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Have `stop` called on the event loop at SIGTERM and SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


def _prctl(option: int, argument: int) -> None:
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    # The unused arguments must be zero for some options, and as wide as a long.
    zero = ctypes.c_ulong(0)
    libc.prctl(ctypes.c_int(option), ctypes.c_ulong(argument), zero, zero, zero)
