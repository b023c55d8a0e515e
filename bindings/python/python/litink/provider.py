"""Providers of your own: what they are asked, and what they answer."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Literal, Protocol, TypedDict, Union, runtime_checkable

from ._litink import CallContext

__all__ = [
    "CallContext",
    "Capabilities",
    "Embedding",
    "Image",
    "Mark",
    "Pending",
    "Provider",
    "Reply",
    "Sound",
    "Speech",
    "Text",
    "Transcription",
    "Usage",
    "Video",
]

Media = Union[bytes, bytearray, memoryview, "PathLike[str]"]
"""Bytes, or the path of a file, which is read as a stream."""

Modality = Literal["text", "speech", "image", "video", "transcription", "embedding", "sound"]


class Usage(TypedDict, total=False):
    """What a call used. Leave out what is not reported; that is not zero."""

    input_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    input_image_tokens: int
    output_tokens: int
    reasoning_tokens: int
    input_chars: int
    input_ms: int
    output_ms: int
    images: int


class Voice(TypedDict, total=False):
    """A voice: ``id`` and ``name`` are needed."""

    id: str
    name: str
    languages: Sequence[str]
    gender: Literal["female", "male", "neutral"] | None


class SpeechCapabilities(TypedDict, total=False):
    """What a provider of speech can do."""

    max_input_chars: int
    """Characters in one call at most. Default 4096."""
    voices: Sequence[Voice]
    """Empty when it takes any id."""
    marks: bool
    """Whether it says when each sentence is spoken."""


class TextCapabilities(TypedDict, total=False):
    """What a provider of text can do."""

    max_input_chars: int
    json_schema: bool


class ImageCapabilities(TypedDict, total=False):
    """What a provider of images can do."""

    references: bool


class Capabilities(TypedDict, total=False):
    """What a provider can do; a modality that is not there is never asked for."""

    text: TextCapabilities
    speech: SpeechCapabilities
    image: ImageCapabilities
    others: Sequence[Modality]
    max_concurrency: int
    """Calls at once in one process; more wait. Default 64."""
    draft: bool
    on_ambiguous: Literal["resend", "hold"]
    """What to do when a call's outcome is not known. Default by modality."""


@dataclass(frozen=True)
class Mark:
    """When a stretch of the text is spoken. The stretch is counted in bytes of UTF-8."""

    text_start: int
    text_end: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class Reply:
    """What every finished answer may say besides what was made."""

    model: str | None = field(default=None, kw_only=True)
    """The model that made it, as the vendor names it."""
    usage: Usage = field(default_factory=lambda: Usage(), kw_only=True)
    cost_nanos: int | None = field(default=None, kw_only=True)
    """Billionths of a US dollar, as reported; ``None`` when it is not."""
    warnings: Sequence[str] = field(default=(), kw_only=True)
    """Settings that were not honoured, and other things that a person should know."""
    request_id: str | None = field(default=None, kw_only=True)
    """The vendor's own id of the request."""

    def to_dict(self) -> dict[str, Any]:
        """As the engine reads it."""
        fields = dict(vars(self))
        if "marks" in fields:
            fields["marks"] = [vars(mark) for mark in fields["marks"]]
        return {**fields, "modality": type(self).__name__.lower()}


@dataclass(frozen=True)
class Text(Reply):
    """Text."""

    text: str


@dataclass(frozen=True)
class Speech(Reply):
    """Speech: WAV, MP3 or FLAC."""

    audio: Media
    media_type: str = "audio/wav"
    marks: Sequence[Mark] = ()
    """When each stretch is spoken, if the provider knows."""


@dataclass(frozen=True)
class Image(Reply):
    """An image: PNG, JPEG or WebP."""

    image: Media
    media_type: str = "image/png"


@dataclass(frozen=True)
class Video(Reply):
    """A film: MP4."""

    video: Media
    media_type: str = "video/mp4"


@dataclass(frozen=True)
class Transcription(Reply):
    """What was said."""

    text: str
    marks: Sequence[Mark] = ()


@dataclass(frozen=True)
class Embedding(Reply):
    """One vector for each text."""

    vectors: Sequence[Sequence[float]]


@dataclass(frozen=True)
class Sound(Reply):
    """Music or a sound effect."""

    audio: Media
    media_type: str = "audio/wav"


@dataclass(frozen=True)
class Pending:
    """The vendor goes on with it; the engine stores this and asks again through ``poll``."""

    id: str
    state: Any = None
    """Whatever else ``poll`` needs, as JSON."""
    poll_after_ms: int = 5_000
    progress: float | None = None
    """0 to 1, if the vendor says."""

    def to_dict(self) -> dict[str, Any]:
        """As the engine reads it."""
        return {"pending": dict(vars(self))}


Answer = Union[Reply, Pending, Mapping[str, Any]]


@runtime_checkable
class Provider(Protocol):
    """What a provider is: any object of this shape. ``poll`` and ``cancel`` may be there, too.

    ``name`` and ``capabilities`` may be methods; they are read once, when it is registered.
    """

    @property
    def name(self) -> str:
        """Under which it is registered, and part of what makes two calls the same call."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    def generate(
        self, request: dict[str, Any], context: CallContext
    ) -> Answer | Awaitable[Answer]:
        """Makes one thing.

        A coroutine runs on the event loop that registered the provider, and is cancelled when
        the run is. A plain method runs in a thread of its own and looks at
        ``context.cancelled`` if it takes long.
        """
        ...
