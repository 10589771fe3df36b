"""What aitune raises: one type for each kind of failure, with the messages of the C++ library."""

from __future__ import annotations

__all__ = [
    "AituneError",
    "Corrupt",
    "Incompatible",
    "InternalError",
    "InvalidArgument",
    "IoError",
    "NotFound",
    "Unavailable",
    "Unsupported",
    "ValidationError",
    "a_kind",
    "in_words",
    "with_article",
]


class AituneError(Exception):
    """Base of all errors of aitune. The message says what happened, where, and what to do.

    Attributes:
        code: the kind of failure, such as "corrupt".
        problem, where, fix: the parts of the message, where they are known.
    """

    code = "internal"

    def __init__(self, problem: str = "", where: str = "", fix: str = "", *, message: str | None = None) -> None:
        if message is None:
            sentence = fix if fix.startswith("aitune") else fix[:1].upper() + fix[1:]
            stop = "" if problem.endswith(".") else "."  # what others said may be a sentence already
            message = (f"{where}: " if where else "") + problem + (f"{stop} {sentence}" if fix else "")
        super().__init__(message)
        self.problem = problem or message
        self.where = where
        self.fix = fix

    @property
    def status(self) -> int:
        """The number of its kind, as in aitune_status."""
        kinds = [kind for kind in type(self).__mro__ if kind in _BY_NUMBER]
        return _BY_NUMBER.index(kinds[0], 1) if kinds else len(_BY_NUMBER) - 1


class InvalidArgument(AituneError, ValueError):
    """The caller gave something wrong: a name, shape, dtype, setting."""

    code = "invalid_argument"


class NotFound(AituneError, FileNotFoundError):
    """A file, entry or module that does not exist."""

    code = "not_found"


class Corrupt(AituneError):
    """Bytes that do not hold what their format promises."""

    code = "corrupt"


class Unsupported(AituneError, NotImplementedError):
    """Well-formed, but beyond what this version can do."""

    code = "unsupported"


class Incompatible(AituneError):
    """Made for another machine, or for a newer format."""

    code = "incompatible"


class Unavailable(AituneError):
    """A library or device that is missing here."""

    code = "unavailable"


class IoError(AituneError, OSError):
    """The operating system refused: permission, memory, a full disk."""

    code = "io"


class ValidationError(AituneError):
    """Results are wrong: NaN, Inf or too far from the reference."""

    code = "validation"


class InternalError(AituneError):
    """A bug of aitune, never the fault of an input."""

    code = "internal"


def in_words(error: Exception) -> str:
    """The message of an error; of one that is not ours, behind its type."""
    return str(error) if isinstance(error, AituneError) else f"{type(error).__name__}: {error}"


def a_kind(value: object) -> str:
    """What a value is, in words: "an int", "a Tensor", "None"."""
    return "None" if value is None else with_article(type(value).__name__)


def with_article(name: str) -> str:
    """ "an int", "a Tensor"; "a UNet" and "a OneBackendStrategy" as they are said."""
    vowel = name[:1].lower() in tuple("aeio") and not name.startswith("One")
    return f"{'an' if vowel else 'a'} {name}"


# In the order of the numbers of aitune_status and ErrorCode, which never change.
_BY_NUMBER = (
    InternalError,
    InvalidArgument,
    NotFound,
    Corrupt,
    Unsupported,
    Incompatible,
    Unavailable,
    IoError,
    ValidationError,
    InternalError,
)


def from_code(number: int, message: str, problem: str = "", where: str = "", fix: str = "") -> AituneError:
    """The exception for a number of ErrorCode, with a whole message."""
    kind = _BY_NUMBER[number] if 0 <= number < len(_BY_NUMBER) else InternalError
    return kind(problem, where, fix, message=message)
