"""What a person can do about an error of the system, by its cause; nothing where the cause does not say it."""

from __future__ import annotations

import errno
import socket

SPACE = "free space"
ACCESS = "mend access"
NETWORK = "look at the network, and whether the other end answers"

_BY_NUMBER = {
    errno.ENOSPC: SPACE,
    errno.EDQUOT: SPACE,
    errno.EACCES: ACCESS,
    errno.EPERM: ACCESS,
    errno.EROFS: ACCESS,
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "raise the limit of open files of this machine",
    errno.ENAMETOOLONG: "take a shorter name or a folder nearer to the root",
    errno.EIO: "the disk or the way to it fails: look at the system's log",
    **dict.fromkeys((errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ETIMEDOUT), NETWORK),
}
_MENDED_ELSEWHERE = (SPACE, ACCESS)


def advice(error: OSError, elsewhere: str = "") -> str:
    """What mends it, or nothing. `elsewhere`: how another place is chosen, where that is possible.

    >>> advice(OSError(errno.ENOSPC, "No space left on device"), "with --runs-dir")
    'free space or choose another place with --runs-dir'
    >>> advice(OSError(errno.EINVAL, "Invalid argument"), "with --runs-dir")
    ''
    """
    cause = getattr(error, "reason", None)  # urllib hides what happened in what it raises
    if isinstance(cause, OSError):
        return advice(cause, elsewhere)
    if isinstance(error, ConnectionError | socket.gaierror | TimeoutError) and not isinstance(error, BrokenPipeError):
        return NETWORK
    mended = _BY_NUMBER.get(error.errno or 0, "")
    return f"{mended} or choose another place {elsewhere}" if elsewhere and mended in _MENDED_ELSEWHERE else mended
