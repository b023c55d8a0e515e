"""The engine's calls, with types."""

from __future__ import annotations

import atexit
from collections.abc import AsyncIterator, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from types import TracebackType
from typing import Any, Union

from . import _litink
from .domain import Book, Chapter, Edited, Export, Page, Plan, Progress, ProviderInfo, Run
from .editing import Edit, _row
from .provider import Provider

AnyPath = Union[str, "PathLike[str]"]


class Engine:
    """An embedded engine. Open one with ``Engine.open`` or ``Engine.in_memory``.

    All of its calls may be made from any event loop, also from another than it was opened on. In
    a forked process open another one.
    """

    def __init__(self, native: _litink.Engine) -> None:
        self._native = native

    @classmethod
    async def open(
        cls, data_dir: AnyPath | None = None, *, worker: bool = True, **settings: Any
    ) -> Engine:
        """Opens an engine in a folder, which is made where it is missing.

        ``settings`` are those of ``litink.toml``: ``lease_s``, ``concurrency``, ``max_attempts``,
        ``ffmpeg``, ``database_url``, ``storage_url``, ... Without a folder and settings, that file
        and ``LITINK_*`` variables are read.
        With ``worker=False`` it starts and watches runs, and another process works on them.
        """
        if data_dir is not None:
            settings["data_dir"] = fspath(data_dir)
        return await cls._opened(settings or None, worker)

    @classmethod
    async def in_memory(cls, *, worker: bool = True, **settings: Any) -> Engine:
        """Opens an engine that keeps everything in memory; it is gone with the process."""
        return await cls._opened({**settings, "in_memory": True}, worker)

    @classmethod
    async def _opened(cls, settings: Mapping[str, Any] | None, worker: bool) -> Engine:
        # Once is enough; Python keeps one entry for each registration.
        atexit.unregister(_litink.shut_down)
        atexit.register(_litink.shut_down)
        return cls(await _litink.Engine.open(settings, worker))

    def as_user(self, user: str) -> Engine:
        """The same engine in the name of a user, whose id (a UUID) your application knows: it sees
        and makes what is that user's alone. Without it, everything is the one local user's.

        Who a user is, is for your application to find out first. It shares the worker, the
        providers and the end: close either.
        """
        return Engine(self._native.as_user(str(user)))

    async def close(self, *, grace: float = 2.0) -> None:
        """Stops the worker. What is in flight may finish for ``grace`` seconds; then it is given
        back, and goes on when an engine is opened again. Closing twice does nothing."""
        await self._native.close(grace)

    async def __aenter__(self) -> Engine:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    # Books

    async def import_file(self, path: AnyPath) -> Book:
        """Imports a book file. The same file is the same book, imported once."""
        given = await self._native.import_file(path)
        return Book._of(given["book"], given["existing"])

    async def import_bytes(self, name: str, data: bytes) -> Book:
        """Imports a book that is in memory; ``name`` is its file's name."""
        given = await self._native.import_bytes(name, data)
        return Book._of(given["book"], given["existing"])

    async def books(self, *, after: str | None = None, limit: int = 50) -> Page[Book]:
        """One page of books, newest first."""
        page = await self._native.books(after, limit)
        return Page([Book._of(row) for row in page["items"]], page["next"])

    async def book(self, id: str) -> Book:
        """The book with this id."""
        return Book._of(await self._native.book(id))

    async def chapters(self, book_id: str, *, text: bool = False) -> list[Chapter]:
        """All chapters of a book, in order, with their text if asked for."""
        return [Chapter._of(row) for row in await self._native.chapters(book_id, text)]

    async def edit_book(
        self, id: str, version: int, edits: Sequence[Edit | Mapping[str, Any]]
    ) -> Edited:
        """Changes the structure of a book: all edits in their order, or none. ``version`` is that
        of the book that was looked at; whoever changed it in between is not overwritten
        (``ConflictError`` with code ``version_conflict``).

        What was made of the book stays. A run that is begun afterwards is another run, in which
        chapters that were not changed cost nothing."""
        row = await self._native.edit_book(id, version, [_row(edit) for edit in edits])
        return Edited._of(row)

    async def delete_book(self, id: str) -> None:
        """Removes a book with its runs and finished files. What was paid for stays: imported
        again, nothing is paid again."""
        await self._native.delete_book(id)

    # Runs

    async def plan(
        self, book_id: str, recipe: str = "audiobook", *, options: Mapping[str, Any] | None = None
    ) -> Plan:
        """What a run would do, without doing or storing anything."""
        return Plan._of(await self._native.plan(book_id, recipe, options or {}))

    async def start(
        self,
        book_id: str,
        recipe: str = "audiobook",
        *,
        options: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Run:
        """Begins a run, or gives the one that there is: the same book, recipe and options are the
        same run, unless a new ``idempotency_key`` asks for another."""
        row = await self._native.start(book_id, recipe, options or {}, idempotency_key)
        return Run._of(row)

    async def run(self, id: str) -> Run:
        """The run with this id."""
        return Run._of(await self._native.run(id))

    async def runs(
        self, book_id: str | None = None, *, after: str | None = None, limit: int = 50
    ) -> Page[Run]:
        """One page of runs, newest first, of one book or of all."""
        page = await self._native.runs(book_id, after, limit)
        return Page([Run._of(row) for row in page["items"]], page["next"])

    async def cancel(self, run_id: str) -> Run:
        """Stops a run. What is finished stays; calls in flight are cancelled."""
        return Run._of(await self._native.cancel(run_id))

    async def resume(self, run_id: str) -> Run:
        """Goes on with a run that failed or was stopped, paying nothing again."""
        return Run._of(await self._native.resume(run_id))

    async def wait(self, run_id: str) -> Run:
        """Waits until a run is completed.

        Raises what made it fail: your provider's own exception where that happened in this
        process, else a ``LitinkError`` as it was stored. ``litink.CancelledError`` where the run
        was stopped.
        """
        return Run._of(await self._native.wait(run_id))

    async def progress(self, run_id: str) -> Progress:
        """How far a run is now."""
        return Progress._of(await self._native.progress(run_id))

    async def watch(self, run_id: str, *, revision: int = 0) -> AsyncIterator[Progress]:
        """How far a run is, now and at every change, until it is final; the last item is its end.
        A failed run raises nothing: look at ``error``. Another process may do the work."""
        watched = self._native.watch(run_id, revision)
        while (row := await watched.next()) is not None:
            yield Progress._of(row)

    # Finished files

    async def exports(self, run_id: str) -> list[Export]:
        """The finished files of a run, in order."""
        return [Export._of(row) for row in await self._native.exports(run_id)]

    async def save(self, export_id: str, folder: AnyPath) -> Path:
        """Writes a finished file into a folder, as a stream, and gives its path."""
        return await self._native.save(export_id, folder)

    async def read(self, export_id: str) -> bytes:
        """A whole finished file: for subtitles; use ``save`` for what is large."""
        return await self._native.read(export_id)

    async def make(
        self, path: AnyPath, out: AnyPath, *, recipe: str = "audiobook", **options: Any
    ) -> list[Path]:
        """The whole job: imports a book, makes it, and writes the files into a folder. A run that
        failed or was stopped before is resumed. Raises as ``wait``."""
        book = await self.import_file(path)
        run = await self.start(book.id, recipe, options=options)
        if run.state in ("failed", "cancelled"):
            run = await self.resume(run.id)
        await self.wait(run.id)
        return [await self.save(export.id, out) for export in await self.exports(run.id)]

    # Providers

    def providers(self) -> list[ProviderInfo]:
        """Every registered provider, by name."""
        return [ProviderInfo(row["name"], row["capabilities"]) for row in self._native.providers()]

    def register_provider(self, provider: Provider) -> None:
        """Registers a provider under its name, in the place of another of that name. Do it where
        the event loop runs that its coroutines are to run on."""
        self._native.register_provider(provider)
