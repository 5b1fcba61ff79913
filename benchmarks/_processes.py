"""What the kernel counts for a process (Linux), our own or another's."""

import os
from pathlib import Path


def cpu_s(pid: int) -> float:
    """Return the processor time of a process so far (user and system), in seconds.

    The kernel counts in ticks of 10 ms: what is measured should take a second or more.
    """
    # The name in the second field may hold spaces and brackets.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process, in bytes. Kernel memory is not in it."""
    return _status(Path(f"/proc/{pid}"), "VmRSS") * 1024


def voluntary_switches(pid: int) -> dict[int, int]:
    """Return how often each thread of a process has gone to sleep so far, by thread id.

    Each time it was woken again, but for the last.
    """
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return {int(task.name): _status(task, "voluntary_ctxt_switches") for task in tasks}


def _status(process: Path, name: str) -> int:
    for line in (process / "status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise ProcessLookupError(process.name)
