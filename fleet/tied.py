"""`tied.py PARENT COMMAND...` becomes COMMAND, which the kernel kills when process PARENT dies (Linux).

A step of its own, because code between fork and exec of a process with threads may deadlock. Run by path with the bare
interpreter: it imports nothing of ours.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        # SIGKILL: a service that hangs, or is stopped, would outlive anything gentler. The record does not mind.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit("the supervisor died before its service began")
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
