"""A book in, an audiobook out: `python quickstart.py book.epub out`.

The voice is litink's own draft, which needs no key. Run it again: nothing is made twice.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import litink


async def main(path: Path, out: Path) -> None:
    async with await litink.Engine.open(out / "litink-data") as engine:
        book = await engine.import_file(path)
        print(f"{book.title}: {book.chapter_count} chapters")

        options = {"formats": ["wav", "vtt"], "chapters": "1"}
        run = await engine.start(book.id, options=options)
        async for progress in engine.watch(run.id):
            print(f"{progress.fraction:.0%}")

        await engine.wait(run.id)
        for export in await engine.exports(run.id):
            print(await engine.save(export.id, out))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
