"""Errors for users: one line with the cause, one line with the remedy."""

import errno
from collections.abc import Iterable
from difflib import get_close_matches

DONE, USAGE, BAD_DATA, INTERNAL, CANNOT_WRITE, TRY_AGAIN = 0, 2, 65, 70, 73, 75

FULL_OR_FORBIDDEN = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
"""System errors that mean a disk or folder cannot be written; the program is not at fault."""

TOO_MANY_FILES = (errno.EMFILE, errno.ENFILE)

CANNOT_BE_WRITTEN = (*FULL_OR_FORBIDDEN, *TOO_MANY_FILES)


def remedy_for(number: int | None) -> str:
    """Return what to do about a file or folder that cannot be written, by the number of the system's error."""
    if number in TOO_MANY_FILES:
        return "Raise the limit of open files (ulimit -n), then run the same command again; nothing finished is lost."
    if number == errno.EFBIG:
        return "Raise the limit of file sizes (ulimit -f), then run the same command again; nothing finished is lost."
    if number in (errno.ENOTDIR, errno.EEXIST):
        return "A file is where a folder is needed: move it or give another path, then run the same command again."
    return "Free space or make the folder writable, then run the same command again; nothing finished is lost."


FAILURES = "BNSTUDY_FAILURES"
"""Environment variable: a file to which failing jobs add cause, remedy and exit code, for `bnstudy run` to print."""


class StudyError(Exception):
    """A failure a user can act on; the command line prints it without a traceback.

    `cause` names the cell, key or file; `remedy` says what to do next; `exit_code` follows sysexits.h.
    """

    exit_code = INTERNAL

    def __init__(self, cause: str, remedy: str):
        super().__init__(f"{cause}\n{remedy}")
        self.cause, self.remedy = cause, remedy


class UsageError(StudyError):
    """The command line or the config asks for something that does not exist."""

    exit_code = USAGE


class DataError(StudyError):
    """A data set or a stored record is absent, truncated or altered."""

    exit_code = BAD_DATA


class Unreadable(DataError):
    """A file may be good, but the system or this version of the program cannot read it; it must be left as it is."""


class WriteError(StudyError):
    """A folder or file cannot be written."""

    exit_code = CANNOT_WRITE


class TryAgain(StudyError):
    """Stopped by a signal, by another process or for lack of memory; repeating the command resumes the work."""

    exit_code = TRY_AGAIN


class Disturbed(TryAgain):
    """Other programs kept the processor too busy to time an epoch."""


class OutOfMemory(TryAgain):
    """An allocation failed, or would fail."""

    def __init__(self) -> None:
        super().__init__("out of memory", "Free memory, raise its limit (ulimit -v) or train smaller cells; run again.")


def is_out_of_memory(error: Exception) -> bool:
    """Return True for the errors that Python, numpy, torch and the loader of libraries raise if memory runs out."""
    text = str(error).lower()
    words = ("allocate memory", "out of memory", "failed to map segment", "bad_alloc", "bad allocation")
    return isinstance(error, MemoryError) or any(each in text for each in words)


def listed(typed: str, known: Iterable[str], what: str, remedy: str) -> str:
    """Return the known id that was typed, with or without its capitals and dots: b1 is B.1. Raises UsageError."""
    known = list(known)
    if (found := same_id(typed, known)) is None:
        raise UsageError(f"{typed}: no such {what}{nearest(typed, known)}", remedy)
    return found


def same_id(typed: str, known: Iterable[str]) -> str | None:
    """Return the known id that was typed, with or without its capitals and dots; None if there is none."""
    known = list(known)
    for bare in (str, lambda word: word.lower().replace(".", "")):
        if found := [each for each in known if bare(each) == bare(typed)]:
            return found[0]
    return None


def nearest(name: str, known) -> str:
    """Return ` (nearest: relu)` if a known name resembles `name`, else an empty string."""
    bare = {str(k).lower(): str(k) for k in known}
    found = get_close_matches(str(name).lower(), bare, n=1, cutoff=0.5)
    return f" (nearest: {bare[found[0]]})" if found else ""
