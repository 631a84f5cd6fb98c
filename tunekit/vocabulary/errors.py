"""What ends a command with a line for the person. One place makes them an exit code."""


class UserError(Exception):
    """Something the person can mend: one line that says what, where and how. Exit code 2."""


class StorageError(UserError):
    """The disk is full or cannot be written: nothing that follows could be kept, so the run ends."""


class Interrupted(Exception):
    """The run was asked to stop (Ctrl-C, SIGTERM, the end of its budget) and can be continued."""
