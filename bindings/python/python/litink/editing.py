"""Changes of a book's structure, for ``Engine.edit_book``.

::

    book = await engine.import_file("book.epub")
    chapters = await engine.chapters(book.id)
    await engine.edit_book(
        book.id,
        book.version,
        [Merge([chapters[3].id, chapters[4].id]), Rename(chapters[0].id, "A Beginning")],
    )

The same as JSON (``{"op": "rename", "chapter": ..., "title": ...}``), as the HTTP interface takes it,
is understood, too. A chapter that no edit names keeps its id, number and text, and with them what was generated for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, Union

__all__ = [
    "Describe",
    "Edit",
    "Merge",
    "Move",
    "Number",
    "Reclassify",
    "Rename",
    "Renumber",
    "Section",
    "Split",
]


@dataclass(frozen=True)
class Describe:
    """Says what the book is; what is left out stays."""

    title: str | None = None
    authors: Sequence[str] | None = None
    """All of them, in order."""
    language: str | None = None
    """BCP 47 tag."""
    op: ClassVar[str] = "describe"


@dataclass(frozen=True)
class Rename:
    """Gives a chapter another title; ``None`` takes it away."""

    chapter: str
    title: str | None
    op: ClassVar[str] = "rename"


@dataclass(frozen=True)
class Reclassify:
    """Says what a chapter is. What is no chapter has no number."""

    chapter: str
    kind: Literal["chapter", "front_matter", "back_matter"]
    op: ClassVar[str] = "reclassify"


@dataclass(frozen=True)
class Number:
    """Gives a chapter another number, from 1; ``None`` takes it away."""

    chapter: str
    number: int | None
    op: ClassVar[str] = "number"


@dataclass(frozen=True)
class Renumber:
    """Numbers everything of kind ``chapter`` from 1, in order."""

    op: ClassVar[str] = "renumber"


@dataclass(frozen=True)
class Section:
    """Says in which part, act or volume a chapter stands; ``None`` for none."""

    chapter: str
    section: str | None
    op: ClassVar[str] = "section"


@dataclass(frozen=True)
class Move:
    """Puts a chapter at another position."""

    chapter: str
    to: int
    """From 0."""
    op: ClassVar[str] = "move"


@dataclass(frozen=True)
class Merge:
    """Makes one chapter of several that follow each other: the first, longer. The titles of the
    others become headings in its text."""

    chapters: Sequence[str]
    op: ClassVar[str] = "merge"


@dataclass(frozen=True)
class Split:
    """Cuts a chapter in two before one of its blocks."""

    chapter: str
    block: int
    """The block that the second part begins with, from 1."""
    title: str | None = None
    """Of the second part. Without one, a heading that it begins with becomes its title."""
    op: ClassVar[str] = "split"


Edit = Union[Describe, Rename, Reclassify, Number, Renumber, Section, Move, Merge, Split]


def _row(edit: Edit | Mapping[str, Any]) -> Mapping[str, Any]:
    return edit if isinstance(edit, Mapping) else {"op": edit.op, **asdict(edit)}
