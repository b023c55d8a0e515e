"""Providers written in Python."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import BOOK, OPTIONS, AsyncVoice, PlainVoice, Voice, begun, tone

import litink


@pytest.mark.parametrize("kind", [AsyncVoice, PlainVoice])
async def test_a_voice_of_ones_own_is_asked_once_for_each_piece(kind: type[Voice]) -> None:
    voice = kind()
    async with await litink.Engine.in_memory() as engine:
        run = await begun(engine, voice)
        assert (await engine.wait(run.id)).state == "completed"
        plan = await engine.plan(run.book_id, options=run.options)
        assert set(voice.calls.values()) == {1}
        assert len(voice.calls) == plan.calls > 1


async def test_a_plain_voice_does_not_stop_the_loop() -> None:
    class Slow(PlainVoice):
        def generate(self, request: dict[str, Any], context: litink.CallContext) -> litink.Speech:
            assert threading.current_thread() is not threading.main_thread()
            time.sleep(0.3)
            return super().generate(request, context)

    async with await litink.Engine.in_memory() as engine:
        run = await begun(engine, Slow())
        longest, last = 0.0, time.monotonic()
        waiting = asyncio.ensure_future(engine.wait(run.id))
        while not waiting.done():
            await asyncio.sleep(0.01)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
        await waiting
        assert longest < 0.25


async def test_coroutines_see_the_context_of_whoever_registered_them() -> None:
    tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant")
    seen = set()

    class Sees(AsyncVoice):
        async def generate(self, request: dict[str, Any], context: litink.CallContext) -> litink.Speech:
            seen.add(tenant.get())
            return await super().generate(request, context)

    tenant.set("a")
    async with await litink.Engine.in_memory() as engine:
        await engine.wait((await begun(engine, Sees())).id)
    assert seen == {"a"}


class Fails(AsyncVoice):
    def __init__(self, error: BaseException, times: int = 1_000_000) -> None:
        super().__init__()
        self.error, self.times = error, times

    async def generate(self, request: dict[str, Any], context: litink.CallContext) -> litink.Speech:
        if self.times > 0:
            self.times -= 1
            raise self.error
        return await super().generate(request, context)


class PlainFails(Fails):
    def generate(self, request: dict[str, Any], context: litink.CallContext) -> litink.Speech:  # type: ignore[override]
        raise self.error


class OwnError(Exception):
    pass


@pytest.mark.parametrize("kind", [Fails, PlainFails])
async def test_ones_own_exception_comes_back_as_the_same_object(kind: type[Fails]) -> None:
    error = OwnError("canary: text of the book")
    async with await litink.Engine.in_memory() as engine:
        run = await begun(engine, kind(error))
        last = [progress async for progress in engine.watch(run.id)][-1]
        assert last.state == "failed" and last.error is not None
        assert last.error.code == "provider_exception"
        with pytest.raises(OwnError) as raised:
            await engine.wait(run.id)
        assert raised.value is error
        stored = (await engine.run(run.id)).error
        assert stored is not None and stored.kind == "provider"
        assert "OwnError" in stored.message and "canary" not in stored.message


async def test_make_raises_it_and_resumes_afterwards(tmp_path: Path) -> None:
    error = OwnError()
    voice = Fails(error, times=1)
    async with await litink.Engine.in_memory() as engine:
        engine.register_provider(voice)
        options = {**OPTIONS, "provider": voice.name}
        with pytest.raises(OwnError) as raised:
            await engine.make(BOOK, tmp_path, **options)
        assert raised.value is error
        paid = dict(voice.calls)
        files = await engine.make(BOOK, tmp_path, **options)
        assert len(files) == 2
        assert all(voice.calls[generation] == count for generation, count in paid.items())


async def test_resuming_pays_nothing_again() -> None:
    class Once(AsyncVoice):
        failed = False

        async def generate(self, request: dict[str, Any], context: litink.CallContext) -> litink.Speech:
            if len(self.calls) >= 2 and not self.failed:
                self.failed = True
                raise OwnError
            return await super().generate(request, context)

    voice = Once()
    voice.capabilities = {**voice.capabilities, "max_concurrency": 1}
    async with await litink.Engine.in_memory() as engine:
        run = await begun(engine, voice)
        with pytest.raises(OwnError):
            await engine.wait(run.id)
        assert (await engine.resume(run.id)).state == "running"
        assert (await engine.wait(run.id)).state == "completed"
        assert set(voice.calls.values()) == {1}


async def test_a_rate_limit_is_waited_out() -> None:
    busy = litink.ProviderError("busy", kind="rate_limited", retry_after=0.2)
    voice = Fails(busy, times=2)
    async with await litink.Engine.in_memory() as engine:
        run = await begun(engine, voice)
        assert (await engine.wait(run.id)).state == "completed"


async def test_an_error_of_litink_says_itself_what_it_is() -> None:
    empty = litink.QuotaExhaustedError("top up the account", code="no_credit")
    async with await litink.Engine.in_memory() as engine:
        run = await begun(engine, Fails(empty))
        with pytest.raises(litink.QuotaExhaustedError) as raised:
            await engine.wait(run.id)
        assert raised.value is empty
        stored = (await engine.run(run.id)).error
        assert stored is not None
        assert (stored.kind, stored.code, stored.charge) == ("quota_exhausted", "no_credit", "no")


async def test_cancelling_a_run_cancels_the_task_of_its_provider() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    class Hangs(AsyncVoice):
        async def generate(self, request: dict[str, Any], context: litink.CallContext) -> litink.Speech:
            began.set()
            try:
                await asyncio.sleep(3_600)
            except asyncio.CancelledError:
                ended.set()
                raise
            raise AssertionError

    async with await litink.Engine.in_memory() as engine:
        run = await begun(engine, Hangs())
        await asyncio.wait_for(began.wait(), 10)
        waiting = asyncio.ensure_future(engine.wait(run.id))
        assert (await engine.cancel(run.id)).state == "cancelled"
        await asyncio.wait_for(ended.wait(), 5)
        with pytest.raises(litink.CancelledError):
            await asyncio.wait_for(waiting, 5)


async def test_a_plain_provider_sees_that_its_run_was_cancelled() -> None:
    began, ended = threading.Event(), threading.Event()

    class Waits(PlainVoice):
        def generate(self, request: dict[str, Any], context: litink.CallContext) -> litink.Speech:
            began.set()
            deadline = time.monotonic() + 10
            while not context.cancelled and time.monotonic() < deadline:
                time.sleep(0.01)
            if context.cancelled:
                ended.set()
            raise OwnError

    async with await litink.Engine.in_memory() as engine:
        run = await begun(engine, Waits())
        assert await asyncio.to_thread(began.wait, 10)
        await engine.cancel(run.id)
        assert await asyncio.to_thread(ended.wait, 5)


async def test_a_task_that_cancels_itself_fails_the_run_in_the_end() -> None:
    async with await litink.Engine.in_memory(max_attempts=1) as engine:
        run = await begun(engine, Fails(asyncio.CancelledError()))
        with pytest.raises(litink.UnavailableError) as raised:
            await asyncio.wait_for(engine.wait(run.id), 10)
        assert raised.value.code == "provider_task_cancelled"


async def test_pending_work_is_asked_for_until_it_is_there() -> None:
    class Later(AsyncVoice):
        polls = 0

        async def generate(self, request: dict[str, Any], context: litink.CallContext) -> Any:
            self.calls[context.generation] += 1
            return litink.Pending("job-" + context.generation, {"n": 1}, poll_after_ms=50)

        def poll(self, operation: dict[str, Any], context: litink.CallContext) -> Any:
            assert operation["id"] == "job-" + context.generation
            if operation["state"]["n"] < 2:
                return {"pending": {**operation, "state": {"n": 2}}}
            self.polls += 1
            return {"modality": "speech", "audio": tone(1), "media_type": "audio/wav"}

    voice = Later()
    async with await litink.Engine.in_memory() as engine:
        run = await begun(engine, voice)
        await asyncio.wait_for(engine.wait(run.id), 60)
    assert set(voice.calls.values()) == {1} and voice.polls == len(voice.calls)


@pytest.mark.parametrize(
    "answer",
    [None, "base64", {}, {"audio": "UklGRg=="}, {"audio": 5}, {"text": "x", "modality": "smell"}],
)
async def test_nonsense_is_an_error_of_the_provider(answer: Any) -> None:
    class Odd(AsyncVoice):
        async def generate(self, request: dict[str, Any], context: litink.CallContext) -> Any:
            return answer

    async with await litink.Engine.in_memory(max_attempts=1) as engine:
        run = await begun(engine, Odd())
        with pytest.raises(litink.ProviderError) as raised:
            await engine.wait(run.id)
        assert raised.value.code == "bad_reply"
        assert raised.value.context["provider"] == "voice"


async def test_media_may_be_a_file_or_any_bytes(tmp_path: Path) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(tone(2))
    kinds: list[Any] = [file, bytearray(tone(2)), memoryview(tone(2))]

    class Kinds(AsyncVoice):
        async def generate(self, request: dict[str, Any], context: litink.CallContext) -> litink.Speech:
            self.calls[context.generation] += 1
            return litink.Speech(kinds[len(self.calls) % len(kinds)])

    voice = Kinds()
    async with await litink.Engine.in_memory() as engine:
        await engine.wait((await begun(engine, voice)).id)
    assert len(voice.calls) >= len(kinds)


class Nameless:
    capabilities: dict[str, Any] = {}


class Mute:
    name = "mute"
    capabilities: litink.Capabilities = {"speech": {}}


class Wrong(PlainVoice):
    capabilities = {"speech": {"max_input_chars": "many"}}  # type: ignore[typeddict-item]


@pytest.mark.parametrize("provider", [Nameless(), Mute(), Wrong(), object()])
async def test_what_is_no_provider_is_not_registered(provider: Any) -> None:
    async with await litink.Engine.in_memory(worker=False) as engine:
        with pytest.raises(litink.InvalidInputError) as raised:
            engine.register_provider(provider)
        assert raised.value.code == "bad_provider"


async def test_a_registered_provider_is_listed_with_what_it_can_do() -> None:
    class Methods(PlainVoice):
        def capabilities(self) -> litink.Capabilities:  # type: ignore[override]
            return {"speech": {"max_input_chars": 7}, "draft": True}

    async with await litink.Engine.in_memory(worker=False) as engine:
        engine.register_provider(Methods("methods"))  # type: ignore[arg-type]
        [found] = [one for one in engine.providers() if one.name == "methods"]
        assert found.capabilities["speech"]["max_input_chars"] == 7
        assert found.capabilities["draft"] is True
