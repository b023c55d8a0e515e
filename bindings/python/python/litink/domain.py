"""What the engine works on, as plain values.

Times are ISO 8601 in UTC, ids are UUIDs in text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

__all__ = [
    "Anchor",
    "Block",
    "Book",
    "Chapter",
    "ChapterProgress",
    "Decision",
    "Edited",
    "Export",
    "Failure",
    "Identifier",
    "Page",
    "Plan",
    "PlannedStep",
    "Progress",
    "ProviderInfo",
    "Run",
    "RunState",
    "Series",
    "Span",
    "Warning",
]

Json = Mapping[str, Any]
RunState = Literal["running", "completed", "failed", "cancelled"]
T = TypeVar("T")


@dataclass(frozen=True)
class Warning:
    """What a person should know of a result: what was guessed, left out or not honoured."""

    code: str
    message: str

    @classmethod
    def _of(cls, row: Json) -> Warning:
        return cls(row["code"], row["message"])


@dataclass(frozen=True)
class Identifier:
    """One of the names by which catalogues know a book."""

    scheme: str | None
    """``isbn``, ``doi``, ``uuid``, ``url``, ...; ``None`` where nothing says."""
    value: str


@dataclass(frozen=True)
class Series:
    """A series of books."""

    name: str
    position: str | None
    """The book's place in it, as declared: ``3``, ``2.5``."""


@dataclass(frozen=True)
class Decision:
    """One thing that an import decided."""

    code: str
    """``format``, ``title``, ``authors``, ``language`` or ``chapters``."""
    method: str
    """By what: ``declared``, ``navigation``, ``headings``, ``detected``, ``length``, ..."""
    confidence: float
    """From 0 (a guess) to 1 (the book says so itself)."""
    message: str

    @classmethod
    def _of(cls, row: Json) -> Decision:
        return cls(row["code"], row["method"], row["confidence"], row["message"])


@dataclass(frozen=True)
class Book:
    """An imported book. The same file is the same book."""

    id: str
    version: int
    """Rises with every change; ``edit_book`` wants it."""
    title: str
    authors: list[str]
    language: str | None
    """BCP 47 tag: the book's own, or detected."""
    identifier: str | None
    publisher: str | None
    published: str | None
    description: str | None
    format: str
    """What the file was read as: ``epub``, ``text``, ..."""
    file_name: str
    file_bytes: int
    content_hash: str
    """BLAKE3 of the file, in hexadecimal."""
    has_cover: bool
    chapter_count: int
    """Front and back matter included."""
    char_count: int
    warnings: list[Warning]
    created_at: str
    identifiers: list[Identifier]
    """All that the book declares."""
    series: Series | None
    decisions: list[Decision]
    """How title, authors, language and chapters were found, and how sure that is."""
    existing: bool = False
    """Whether the same file had been imported before, and nothing was done now."""

    @classmethod
    def _of(cls, row: Json, existing: bool = False) -> Book:
        return cls(
            id=row["id"],
            version=row["version"],
            title=row["title"],
            authors=row["authors"],
            language=row["language"],
            identifier=row["identifier"],
            publisher=row["publisher"],
            published=row["published"],
            description=row["description"],
            format=row["format"],
            file_name=row["file_name"],
            file_bytes=row["file_bytes"],
            content_hash=row["content_hash"],
            has_cover=row["cover_key"] is not None,
            chapter_count=row["chapter_count"],
            char_count=row["char_count"],
            warnings=[Warning._of(warning) for warning in row["warnings"]],
            created_at=row["created_at"],
            identifiers=[
                Identifier(found.get("scheme"), found["value"]) for found in row["identifiers"]
            ],
            series=(series := row["series"])
            and Series(series["name"], series.get("position")),
            decisions=[Decision._of(decision) for decision in row["decisions"]],
            existing=existing,
        )


@dataclass(frozen=True)
class Span:
    """A stretch of a block's text that stands out."""

    start: int
    """In bytes of the text in UTF-8, as in ``text.encode()``."""
    end: int
    """Behind its last byte."""
    style: str
    """``emphasis`` or ``strong``."""


@dataclass(frozen=True)
class Anchor:
    """Where a block starts in the original file. What a format does not know is ``None``."""

    page: int | None = None
    """From 1."""
    path: str | None = None
    """The document inside an archive."""
    fragment: str | None = None
    """The id of the element that starts here."""
    offset: int | None = None
    """Bytes of the document before the block."""


@dataclass(frozen=True)
class Block:
    """A block of text: a paragraph, a heading, a verse, ..."""

    kind: str
    text: str
    spans: list[Span] = field(default_factory=list)
    """What stands out in it."""
    anchor: Anchor | None = None
    """Where it came from."""

    @classmethod
    def _of(cls, row: Json) -> Block:
        anchor = row.get("anchor")
        return cls(
            row["kind"],
            row["text"],
            [Span(span["start"], span["end"], span["style"]) for span in row.get("spans", [])],
            anchor and Anchor(**anchor),
        )


@dataclass(frozen=True)
class Chapter:
    """A chapter of a book, or a piece of its front or back matter."""

    id: str
    book_id: str
    position: int
    """Place in the book, from 0, front and back matter included."""
    kind: Literal["chapter", "front_matter", "back_matter"]
    number: int | None
    """From 1; ``None`` unless it is a chapter."""
    title: str | None
    section: str | None
    """The part, act or volume that it stands in."""
    char_count: int
    blocks: list[Block]
    """The text; empty when it was not asked for."""

    @classmethod
    def _of(cls, row: Json) -> Chapter:
        return cls(
            id=row["id"],
            book_id=row["book_id"],
            position=row["position"],
            kind=row["kind"],
            number=row["number"],
            title=row["title"],
            section=row["section"],
            char_count=row["char_count"],
            blocks=[Block._of(block) for block in row["blocks"]],
        )


@dataclass(frozen=True)
class Edited:
    """A book after it was changed."""

    book: Book
    """At its new version."""
    chapters: list[Chapter]
    """In order, without their text."""

    @classmethod
    def _of(cls, row: Json) -> Edited:
        return cls(Book._of(row["book"]), [Chapter._of(chapter) for chapter in row["chapters"]])


@dataclass(frozen=True)
class Failure:
    """Why something failed, as stored."""

    kind: str
    code: str
    message: str
    charge: Literal["no", "maybe", "yes"]

    @classmethod
    def _of(cls, row: Json | None) -> Failure | None:
        if row is None:
            return None
        return cls(row["kind"], row["code"], row["message"], row["charge"])


@dataclass(frozen=True)
class Run:
    """One making of a recipe from a book."""

    id: str
    book_id: str
    state: RunState
    recipe: str
    options: dict[str, Any]
    """Complete: the defaults are filled in."""
    idempotency_key: str | None
    step_count: int
    error: Failure | None
    """Why it failed."""
    created_at: str
    finished_at: str | None

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens unless somebody resumes it."""
        return self.state != "running"

    @classmethod
    def _of(cls, row: Json) -> Run:
        return cls(
            id=row["id"],
            book_id=row["book_id"],
            state=row["state"],
            recipe=row["recipe"],
            options=row["options"],
            idempotency_key=row["idempotency_key"],
            step_count=row["step_count"],
            error=Failure._of(row["error"]),
            created_at=row["created_at"],
            finished_at=row["finished_at"],
        )


@dataclass(frozen=True)
class ChapterProgress:
    """How far a chapter is."""

    chapter_id: str
    fraction: float
    audio_ms: int


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    run_id: str
    state: RunState
    revision: int
    """Rises with every change; give the last one to ``watch`` to go on from there."""
    fraction: float
    """0 to 1; 1 exactly when everything is made."""
    steps_completed: int
    steps_total: int
    audio_ms: int
    """Speech made so far."""
    chapters: list[ChapterProgress]
    error: Failure | None

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens unless somebody resumes the run."""
        return self.state != "running"

    @classmethod
    def _of(cls, row: Json) -> Progress:
        chapters = [
            ChapterProgress(chapter["chapter_id"], chapter["fraction"], chapter["audio_ms"])
            for chapter in row["chapters"]
        ]
        return cls(
            run_id=row["run_id"],
            state=row["state"],
            revision=row["revision"],
            fraction=row["fraction"],
            steps_completed=row["steps_completed"],
            steps_total=row["steps_total"],
            audio_ms=row["audio_ms"],
            chapters=chapters,
            error=Failure._of(row["error"]),
        )


@dataclass(frozen=True)
class Export:
    """One finished file of a run."""

    id: str
    run_id: str
    position: int
    format: str
    """``m4b``, ``mp3``, ``vtt``, ..."""
    file_name: str
    media_type: str
    bytes: int
    content_hash: str
    """BLAKE3 of its bytes, in hexadecimal."""
    duration_ms: int | None
    """How long it plays; ``None`` for what does not play."""

    @classmethod
    def _of(cls, row: Json) -> Export:
        return cls(
            id=row["id"],
            run_id=row["run_id"],
            position=row["position"],
            format=row["format"],
            file_name=row["file_name"],
            media_type=row["media_type"],
            bytes=row["bytes"],
            content_hash=row["content_hash"],
            duration_ms=row["duration_ms"],
        )


@dataclass(frozen=True)
class PlannedStep:
    """One step of a plan."""

    key: str
    kind: str
    after: list[str]
    """The keys of the steps that must complete first."""
    chapter_id: str | None
    weight: int
    input: Any = field(repr=False)

    @classmethod
    def _of(cls, row: Json) -> PlannedStep:
        return cls(
            key=row["key"],
            kind=row["kind"],
            after=row["after"],
            chapter_id=row["chapter_id"],
            weight=row["weight"],
            input=row["input"],
        )


@dataclass(frozen=True)
class Plan:
    """What a run would do. Nothing is done or stored by planning."""

    steps: list[PlannedStep]
    calls: int
    """Calls of the provider."""
    characters: int
    """Characters that the provider is given."""

    @classmethod
    def _of(cls, row: Json) -> Plan:
        steps = [PlannedStep._of(step) for step in row["steps"]]
        return cls(steps, row["calls"], row["characters"])


@dataclass(frozen=True)
class ProviderInfo:
    """A registered provider."""

    name: str
    capabilities: dict[str, Any]


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some items of a longer list, newest first."""

    items: list[T]
    next: str | None
    """Give it as ``after`` to go on; ``None`` at the end."""

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)
