"""Run a command and write its resource usage: `measured.py FILE COMMAND…`.

This is a separate, small program: the kernel's peak memory of a process includes the memory of the
process that started it. A peak of less than 10 MB may be this program's own. Run it with `python -I
-S`.
"""

import json
import os
import sys
import time


def main() -> None:
    """Write the exit code, wall and CPU seconds, and peak memory in millions of bytes."""
    [file, *command] = sys.argv[1:]
    began = time.monotonic()
    process = os.fork()
    if process == 0:
        os.execv(command[0], command)
    _, status, usage = os.wait4(process, 0)
    wall = time.monotonic() - began
    measured = {
        "exit": os.waitstatus_to_exitcode(status),
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        # In units of 1,024 bytes on Linux.
        "peak": usage.ru_maxrss * 1024 / 1e6,
    }
    with open(file, "w") as out:
        json.dump(measured, out)


if __name__ == "__main__":
    main()
