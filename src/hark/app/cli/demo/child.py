"""`python -m hark.app.cli.demo.child PARENT PROGRAM…`: a program that dies with the demo.

Asks the kernel to be killed when process PARENT ends, however it ends, and then becomes the
program. A program of its own, since nothing may run between fork and exec in a parent that has
threads.
"""

import os
import sys

from hark.runtime.processes import die_with_parent


def main() -> None:
    """Become the program that the command line names."""
    die_with_parent(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 (no shell is wanted)


if __name__ == "__main__":
    main()
