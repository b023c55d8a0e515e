"""A voice of your own: `python own_provider.py book.epub out`.

This one hums a note for as long as a person would need to read the text. Put your vendor's call
in the place of `hum`.
"""

from __future__ import annotations

import array
import asyncio
import io
import math
import sys
import wave
from pathlib import Path
from typing import Any

import litink

RATE = 24_000
SECONDS_PER_CHARACTER = 0.06


class Hummer:
    """A provider is any object with a name, capabilities and `generate`."""

    name = "hummer"
    capabilities: litink.Capabilities = {
        "speech": {"max_input_chars": 500},
        "max_concurrency": 4,
    }

    async def generate(self, request: dict[str, Any], context: litink.CallContext) -> litink.Speech:
        text: str = request["input"]["text"]
        audio = await asyncio.to_thread(hum, len(text) * SECONDS_PER_CHARACTER)
        return litink.Speech(audio, "audio/wav", usage={"input_chars": len(text)})


def hum(seconds: float) -> bytes:
    """A WAV file of a quiet note."""
    count = int(RATE * seconds)
    note = (int(6_000 * math.sin(2 * math.pi * 220 * at / RATE)) for at in range(count))
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(array.array("h", note).tobytes())
    return file.getvalue()


async def main(path: Path, out: Path) -> None:
    async with await litink.Engine.in_memory() as engine:
        engine.register_provider(Hummer())
        files = await engine.make(path, out, provider="hummer", chapters="1", formats=["wav"])
        print(*files, sep="\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
