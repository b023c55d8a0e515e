"""What can go wrong: one base class, and a class for each kind."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import ClassVar, Literal

__all__ = [
    "BY_KIND",
    "CancelledError",
    "ConfigurationError",
    "ConflictError",
    "CorruptError",
    "InternalError",
    "InvalidInputError",
    "LimitExceededError",
    "LitinkError",
    "NotFoundError",
    "PermissionDeniedError",
    "ProviderError",
    "QuotaExhaustedError",
    "RateLimitedError",
    "StorageFullError",
    "TimeoutError",
    "UnauthenticatedError",
    "UnavailableError",
    "UnsupportedError",
    "class_of",
]

Retry = Literal["never", "after", "backoff", "ambiguous"]
Charge = Literal["no", "maybe", "yes"]


class LitinkError(Exception):
    """Any failure of litink.

    ``kind`` and ``code`` are stable; the message is for people and is not.
    A provider raises one of these to say what is to be done about its failure.
    """

    default_kind: ClassVar[str] = "internal"

    kind: str
    """What the caller can do about it: ``not_found``, ``rate_limited``, ..."""
    code: str
    """Which case of the kind it was: ``drm_protected``, ``bad_options``, ..."""
    message: str
    """A sentence for a person. Never book text, never a secret."""
    context: dict[str, str]
    """Facts: an id, a path, a limit."""
    retry: Retry | None
    """Whether the same again can help; ``None`` for what is usual for the kind."""
    retry_after: float | None
    """Seconds to wait before that."""
    charge: Charge
    """Whether the call that failed cost money."""

    def __init__(
        self,
        message: str = "",
        *,
        kind: str | None = None,
        code: str | None = None,
        context: Mapping[str, str] | None = None,
        retry: Retry | None = None,
        retry_after: float | None = None,
        charge: Charge = "no",
    ) -> None:
        super().__init__(message)
        self.kind = kind if kind is not None else self.default_kind
        self.code = code if code is not None else self.kind
        self.message = message
        self.context = dict(context or {})
        self.retry = retry
        self.retry_after = retry_after
        self.charge = charge

    def __str__(self) -> str:
        facts = ", ".join(f"{key}: {value}" for key, value in self.context.items())
        return f"{self.message} ({facts})" if facts else self.message


class InvalidInputError(LitinkError, ValueError):
    """What was given cannot be used; change it."""

    default_kind = "invalid_input"


class UnsupportedError(LitinkError, ValueError):
    """The file is of a kind that litink does not read, or something is asked for that is not there."""

    default_kind = "unsupported"


class LimitExceededError(LitinkError, ValueError):
    """Larger, deeper or longer than a limit that protects the machine."""

    default_kind = "limit_exceeded"


class NotFoundError(LitinkError, LookupError):
    """There is no such thing."""

    default_kind = "not_found"


class ConflictError(LitinkError):
    """Somebody else changed it first, or its state does not allow this."""

    default_kind = "conflict"


class UnauthenticatedError(LitinkError):
    """No valid credentials."""

    default_kind = "unauthenticated"


class PermissionDeniedError(LitinkError, PermissionError):
    """The credentials, or the rights of a file, do not allow this."""

    default_kind = "permission_denied"


class RateLimitedError(LitinkError):
    """Too many requests; ``retry_after`` says when to come back."""

    default_kind = "rate_limited"


class QuotaExhaustedError(LitinkError):
    """The account's money or quota is used up; waiting does not help."""

    default_kind = "quota_exhausted"


class TimeoutError(LitinkError, builtins.TimeoutError):
    """It took too long."""

    default_kind = "timeout"


class UnavailableError(LitinkError):
    """A server, a file or a program cannot be reached or is busy now."""

    default_kind = "unavailable"


class StorageFullError(LitinkError):
    """No room is left. Make some and do the same again: nothing is lost."""

    default_kind = "storage_full"


class CancelledError(LitinkError):
    """The run was cancelled. Not ``asyncio.CancelledError``: your own task goes on."""

    default_kind = "cancelled"


class ProviderError(LitinkError):
    """A provider failed or answered nonsense.

    Raise it in a provider of your own, with the ``kind`` that fits:
    ``ProviderError("busy", kind="rate_limited", retry_after=1.5)``.
    """

    default_kind = "provider"


class CorruptError(LitinkError):
    """Stored data is damaged."""

    default_kind = "corrupt"


class ConfigurationError(LitinkError):
    """The set-up is wrong: a missing program, a wrong key, an unknown setting."""

    default_kind = "configuration"


class InternalError(LitinkError):
    """A defect of litink. Please report it."""

    default_kind = "internal"


BY_KIND: dict[str, type[LitinkError]] = {
    cls.default_kind: cls
    for cls in (
        InvalidInputError,
        UnsupportedError,
        LimitExceededError,
        NotFoundError,
        ConflictError,
        UnauthenticatedError,
        PermissionDeniedError,
        RateLimitedError,
        QuotaExhaustedError,
        TimeoutError,
        UnavailableError,
        StorageFullError,
        CancelledError,
        ProviderError,
        CorruptError,
        ConfigurationError,
        InternalError,
    )
}
"""The class of each kind."""


def class_of(kind: str) -> type[LitinkError]:
    """The class of a kind; the base class for one that this version does not know."""
    return BY_KIND.get(kind, LitinkError)
