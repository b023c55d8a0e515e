"""What the tests share: the books that ship with litink, and a voice that counts its calls."""

from __future__ import annotations

import asyncio
import io
import wave
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import litink

ROOT = Path(__file__).resolve().parents[3]
BOOKS = ROOT / "examples" / "books"
BOOK = BOOKS / "the-lamplighters-map.epub"
OPTIONS: dict[str, Any] = {"formats": ["wav", "vtt"], "chapters": "1"}


def tone(seconds: float, rate: int = 8_000) -> bytes:
    """A WAV file that is not silent."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        half = rate // 400
        period = b"\x00\x20" * half + b"\x00\xe0" * half
        out.writeframes(period * int(seconds * 200))
    return file.getvalue()


class Voice:
    """Counts what it is asked for."""

    capabilities: litink.Capabilities = {"speech": {"max_input_chars": 300}}

    def __init__(self, name: str = "voice") -> None:
        self.name = name
        self.calls: Counter[str] = Counter()
        self.loops: set[asyncio.AbstractEventLoop] = set()

    def counted(self, request: dict[str, Any], context: litink.CallContext) -> litink.Speech:
        assert request["input"]["modality"] == "speech"
        assert context.attempt >= 1 and context.timeout > 0
        self.calls[context.generation] += 1
        return litink.Speech(tone(len(request["input"]["text"]) / 50))


class AsyncVoice(Voice):
    async def generate(self, request: dict[str, Any], context: litink.CallContext) -> litink.Speech:
        self.loops.add(asyncio.get_running_loop())
        await asyncio.sleep(0.001)
        return self.counted(request, context)


class PlainVoice(Voice):
    def generate(self, request: dict[str, Any], context: litink.CallContext) -> litink.Speech:
        return self.counted(request, context)


@pytest.fixture
def book() -> Path:
    return BOOK


async def begun(engine: litink.Engine, voice: Voice, **more: Any) -> litink.Run:
    """A run that this voice speaks."""
    engine.register_provider(voice)  # type: ignore[arg-type]
    imported = await engine.import_file(BOOK)
    return await engine.start(imported.id, options={**OPTIONS, "provider": voice.name, **more})
