"""Books, runs and finished files."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from conftest import OPTIONS, AsyncVoice, begun

import litink
from litink import editing


async def test_the_whole_job_with_the_voice_that_is_built_in(book: Path, tmp_path: Path) -> None:
    async with await litink.Engine.open(tmp_path / "data") as engine:
        files = await engine.make(book, tmp_path / "out", **OPTIONS)
        assert [file.suffix for file in files] == [".wav", ".vtt"]
        assert files[0].read_bytes()[:4] == b"RIFF"
        assert files[1].read_text("utf-8").startswith("WEBVTT")
        assert all(file.parent == tmp_path / "out" for file in files)
        assert {file.name for file in files} == {path.name for path in (tmp_path / "out").iterdir()}

        [run] = await engine.runs()
        exports = await engine.exports(run.id)
        assert [export.bytes for export in exports] == [file.stat().st_size for file in files]
        assert await engine.read(exports[1].id) == files[1].read_bytes()


async def test_books_are_imported_once_and_read_and_removed(book: Path) -> None:
    async with await litink.Engine.in_memory(worker=False) as engine:
        first = await engine.import_file(book)
        again = await engine.import_bytes(book.name, book.read_bytes())
        assert (first.id, first.existing, again.existing) == (again.id, False, True)
        assert (await engine.book(first.id)).title == first.title
        chapters = await engine.chapters(first.id, text=True)
        assert len(chapters) == first.chapter_count
        assert any(chapter.blocks for chapter in chapters)
        assert not any(chapter.blocks for chapter in await engine.chapters(first.id))
        page = await engine.books(limit=1)
        assert [listed.id for listed in page] == [first.id]
        await engine.delete_book(first.id)
        with pytest.raises(litink.NotFoundError):
            await engine.book(first.id)


async def test_chapters_are_merged_split_and_renamed_and_the_rest_costs_nothing(
    book: Path, tmp_path: Path
) -> None:
    async with await litink.Engine.in_memory() as engine:
        before = await engine.import_file(book)
        first = await engine.wait((await engine.start(before.id, options=OPTIONS)).id)
        chapters = await engine.chapters(before.id)
        [one, two] = [chapter for chapter in chapters if chapter.kind == "chapter"][:2]
        edits = [editing.Merge([one.id, two.id]), editing.Rename(one.id, "Both")]
        edited = await engine.edit_book(before.id, before.version, edits)
        assert (edited.book.version, len(edited.chapters)) == (2, len(chapters) - 1)
        assert edited.chapters[one.position].title == "Both"
        assert edited.book == await engine.book(before.id)
        with pytest.raises(litink.ConflictError) as stale:
            await engine.edit_book(before.id, before.version, edits)
        assert stale.value.code == "version_conflict"
        with pytest.raises(litink.InvalidInputError) as wrong:
            await engine.edit_book(before.id, 2, [editing.Split(one.id, 0)])
        assert wrong.value.code == "bad_split"
        second = await engine.wait((await engine.start(before.id, options=OPTIONS)).id)
        assert second.id != first.id
        assert len(await engine.exports(first.id)) == len(await engine.exports(second.id))


async def test_planning_does_nothing_and_says_what_a_run_does(book: Path) -> None:
    async with await litink.Engine.in_memory(worker=False) as engine:
        imported = await engine.import_file(book)
        plan = await engine.plan(imported.id, options=OPTIONS)
        assert plan.calls > 0 and plan.characters > 0 and plan.steps[-1].after
        assert len(await engine.runs()) == 0
        run = await engine.start(imported.id, options=OPTIONS)
        assert (run.step_count, run.state) == (len(plan.steps), "running")
        assert (await engine.start(imported.id, options=OPTIONS)).id == run.id
        other = await engine.start(imported.id, options=OPTIONS, idempotency_key="again")
        assert other.id != run.id
        assert {one.id for one in await engine.runs(imported.id)} == {run.id, other.id}


async def test_watching_rises_and_ends_with_the_end(book: Path) -> None:
    async with await litink.Engine.in_memory() as engine:
        imported = await engine.import_file(book)
        run = await engine.start(imported.id, options=OPTIONS)
        seen = [progress async for progress in engine.watch(run.id)]
        assert [p.fraction for p in seen] == sorted(p.fraction for p in seen)
        assert [p.is_final for p in seen] == [False] * (len(seen) - 1) + [True]
        assert (seen[-1].state, seen[-1].fraction, seen[-1].error) == ("completed", 1.0, None)
        assert seen[-1].chapters[0].audio_ms > 0
        assert await engine.progress(run.id) == seen[-1]


async def test_a_watch_may_be_left(book: Path) -> None:
    async with await litink.Engine.in_memory(worker=False) as engine:
        imported = await engine.import_file(book)
        run = await engine.start(imported.id, options=OPTIONS)
        async for progress in engine.watch(run.id):
            assert progress.state == "running"
            break
        waiting = asyncio.create_task(engine.wait(run.id))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_a_closed_engine_says_so_and_ends_what_waits(book: Path) -> None:
    engine = await litink.Engine.in_memory(worker=False)
    imported = await engine.import_file(book)
    run = await engine.start(imported.id, options=OPTIONS)
    waiting = asyncio.create_task(engine.wait(run.id))
    await asyncio.sleep(0.05)
    await engine.close()
    await engine.close()
    for call in (waiting, engine.books()):
        with pytest.raises(litink.UnavailableError) as raised:
            await asyncio.wait_for(call, 5)
        assert raised.value.code == "closed"


async def test_another_engine_goes_on_where_the_first_was_closed(tmp_path: Path) -> None:
    voice = AsyncVoice()
    async with await litink.Engine.open(tmp_path, worker=False) as engine:
        run = await begun(engine, voice)
        assert not voice.calls
    async with await litink.Engine.open(tmp_path) as engine:
        engine.register_provider(voice)
        await engine.wait(run.id)
        assert voice.calls


def test_a_second_loop_works_with_the_same_engine(book: Path) -> None:
    voice = AsyncVoice()

    async def first() -> litink.Engine:
        engine = await litink.Engine.in_memory()
        await engine.wait((await begun(engine, voice)).id)
        return engine

    async def second(engine: litink.Engine) -> None:
        imported = await engine.import_file(book)
        options = {**OPTIONS, "provider": voice.name, "speed": 1.5}
        run = await engine.start(imported.id, options=options)
        await asyncio.wait_for(engine.wait(run.id), 20)
        assert asyncio.get_running_loop() in voice.loops
        await engine.close()

    engine = asyncio.run(first())
    assert len(voice.loops) == 1
    asyncio.run(second(engine))
    assert len(voice.loops) == 2


def test_uvloop_drives_it_too() -> None:
    uvloop = pytest.importorskip("uvloop")
    voice = AsyncVoice()

    async def main() -> None:
        async with await litink.Engine.in_memory() as engine:
            await engine.wait((await begun(engine, voice)).id)

    uvloop.run(main())
    assert not any(isinstance(loop, asyncio.SelectorEventLoop) for loop in voice.loops)
    assert voice.calls


async def test_users_see_what_is_their_own(book: Path, tmp_path: Path) -> None:
    async with await litink.Engine.open(tmp_path / "data") as engine:
        ada = engine.as_user("11111111-1111-4111-8111-111111111111")
        bob = engine.as_user("22222222-2222-4222-8222-222222222222")
        files = await ada.make(book, tmp_path / "out", **OPTIONS)
        assert files
        [run] = await ada.runs()
        [export, _] = await ada.exports(run.id)
        missing = "33333333-3333-4333-8333-333333333333"
        for stranger in [bob, engine]:
            assert len(await stranger.books()) == len(await stranger.runs()) == 0
            for call, id in [
                (stranger.book, run.book_id),
                (stranger.chapters, run.book_id),
                (lambda id: stranger.edit_book(id, 1, []), run.book_id),
                (stranger.delete_book, run.book_id),
                (stranger.plan, run.book_id),
                (stranger.start, run.book_id),
                (stranger.run, run.id),
                (stranger.cancel, run.id),
                (stranger.resume, run.id),
                (stranger.wait, run.id),
                (stranger.progress, run.id),
                (stranger.exports, run.id),
                (stranger.read, export.id),
            ]:
                # What is another's is told as what there is not.
                said = []
                for asked in [id, missing]:
                    with pytest.raises(litink.NotFoundError) as error:
                        await call(asked)
                    said.append(str(error.value).replace(asked, "ID"))
                assert said[0] == said[1], call
        # The same file is a book of each.
        assert (await bob.import_file(book)).id != run.book_id
        assert (await ada.run(run.id)).state == "completed"
        with pytest.raises(litink.InvalidInputError):
            engine.as_user("ada")
