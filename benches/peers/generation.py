"""Calls of a chat endpoint through what one would pick in Python; what they need, as JSON.

Arguments: openai or litellm; calls, stream or memory; URL; how many.
"""

import asyncio
import json
import os
import resource
import sys
import time

PROMPT = "Say in two sentences what happened to the lamp."
MESSAGES = [{"role": "user", "content": PROMPT}]
AT_ONCE = 16
WARM = 32


def openai_call(url, stream):
    from openai import AsyncOpenAI

    client = AsyncOpenAI(base_url=url, api_key="sk-none", max_retries=0)

    async def call():
        reply = await client.chat.completions.create(
            model="m", messages=MESSAGES, stream=stream
        )
        if stream:
            async for _ in reply:
                pass
        else:
            assert reply.choices[0].message.content

    return call


def litellm_call(url, stream):
    # Its list of prices comes from the network otherwise.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    litellm.suppress_debug_info = True

    async def call():
        reply = await litellm.acompletion(
            model="openai/m",
            messages=MESSAGES,
            api_base=url,
            api_key="sk-none",
            stream=stream,
            num_retries=0,
        )
        if stream:
            async for _ in reply:
                pass
        else:
            assert reply.choices[0].message.content

    return call


async def many(call, count, at_once):
    slots = asyncio.Semaphore(at_once)

    async def one():
        async with slots:
            await call()

    await asyncio.gather(*(one() for _ in range(count)))


async def main():
    who, what, url, count = sys.argv[1:]
    count = int(count)
    make = {"openai": openai_call, "litellm": litellm_call}[who]
    call = make(url, what == "stream")
    if what == "memory":
        await many(call, count, count)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
        print(json.dumps({"peak_mb": peak}))
        return
    await many(call, min(WARM, count), AT_ONCE)
    before = time.process_time()
    await many(call, count, AT_ONCE)
    used = time.process_time() - before
    print(json.dumps({"cpu_us": used * 1e6 / count}))


asyncio.run(main())
