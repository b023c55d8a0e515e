import assert from "node:assert/strict";
import test from "node:test";

import { CancelledError, Engine, ProviderError } from "../dist/index.js";
import { BOOK, OPTIONS, bookFile, folder, speaker, wav } from "./support.mjs";

/** An engine, a provider, and a run that has begun. */
async function begin(t, provider, settings) {
  const engine = await Engine.inMemory({ settings });
  t.after(() => engine.close({ graceMs: 0 }));
  engine.registerProvider(provider);
  const { book } = await engine.importBytes("lamp.txt", Buffer.from(BOOK));
  const options = { ...OPTIONS, provider: provider.name };
  return { engine, book, run: await engine.start(book.id, { options }) };
}

test("an async provider is given the book's text, and its circumstances", async (t) => {
  const provider = speaker();
  const { engine, run } = await begin(t, provider);
  await engine.wait(run.id);
  const spoken = provider.calls.map(({ request }) => request.input.text).join(" ");
  for (const sentence of ["The keeper lit the lamp.", "Nobody was on it."]) {
    assert.ok(spoken.includes(sentence));
  }
  for (const { request, context } of provider.calls) {
    assert.equal(request.input.modality, "speech");
    assert.equal(context.attempt, 1);
    assert.match(context.generation, /^[0-9a-f-]{36}$/);
    assert.equal(context.signal.aborted, false);
  }
});

test("a plain provider works as well", async (t) => {
  let calls = 0;
  const { engine, run } = await begin(t, {
    name: "plain",
    capabilities: { speech: {} },
    generate() {
      calls++;
      return {
        kind: "speech",
        audio: new Uint8Array(wav(200)),
        mediaType: "audio/wav",
        usage: { input_chars: 12 },
        costNanos: 5,
        warnings: ["no styles"],
        requestId: "r1",
        model: "m1",
      };
    },
  });
  await engine.wait(run.id);
  assert.ok(calls > 0);
  assert.ok((await engine.progress(run.id)).audio_ms >= calls * 200);
});

test("a registered provider is listed with what it can do", async (t) => {
  const { engine } = await begin(t, speaker());
  const listed = (await engine.providers()).find(({ name }) => name === "test");
  assert.equal(listed.capabilities.speech.max_input_chars, 400);
  assert.equal(listed.capabilities.text, null);
});

class Own extends Error {
  detail = { nested: true };
}

for (const [how, generate] of [
  ["rejected with", (error) => async () => Promise.reject(error)],
  ["thrown at once", (error) => () => { throw error; }],
]) {
  test(`an exception ${how} comes back as the same object, and is not stored`, async (t) => {
    const error = new Own("The keeper lit the lamp.");
    const { engine, run } = await begin(t, {
      name: "test",
      capabilities: { speech: {} },
      generate: generate(error),
    });
    await assert.rejects(engine.wait(run.id), (caught) => caught === error);
    const { state, error: stored } = await engine.run(run.id);
    assert.equal(state, "failed");
    assert.equal(stored.kind, "provider");
    assert.equal(stored.code, "provider_exception");
    assert.doesNotMatch(stored.message, /keeper/);
    assert.equal(stored.charge, "maybe");
  });
}

test("make rejects with the provider's own error, and goes on when called again", async (t) => {
  const dir = await folder(t);
  const engine = await Engine.inMemory();
  t.after(() => engine.close());
  const error = new ProviderError({ message: "no such voice", code: "no_voice" });
  let broken = true;
  const provider = speaker((_request, _context, call) => {
    if (broken && call > 1) throw error;
  });
  engine.registerProvider(provider);
  const make = async () => engine.make(await bookFile(dir), dir, { options: OPTIONS });
  await assert.rejects(make(), (caught) => caught === error);
  broken = false;
  const made = await make();
  assert.equal(made.run.state, "completed");
  // What was paid before the failure was not paid again.
  const texts = provider.calls.map(({ request }) => request.input.text);
  const paid = texts.filter((text, index) => texts.indexOf(text) === index).length;
  assert.ok(texts.filter((text) => text === texts[0]).length === 1);
  assert.equal((await engine.plan(made.book.id, { options: OPTIONS })).calls, paid);
});

test("a rate limit is waited out, and uses up no attempt", async (t) => {
  let refused = 0;
  const provider = speaker(() => {
    if (refused < 3) {
      refused++;
      throw new ProviderError({ kind: "rate_limited", retryAfter: 0.05 });
    }
  });
  const { engine, run } = await begin(t, provider, { max_attempts: 1 });
  await engine.wait(run.id);
  assert.equal(refused, 3);
});

test("an error that backs off is tried again, up to the attempts", async (t) => {
  const provider = speaker((_request, _context, call) => {
    if (call === 1) throw new ProviderError({ kind: "unavailable", message: "try again" });
  });
  const { engine, run } = await begin(t, provider);
  await engine.wait(run.id);
  assert.ok(provider.calls.some(({ context }) => context.attempt === 2));
});

test("cancelling a run aborts the signals of its calls", async (t) => {
  let aborted = 0;
  let begun;
  const calling = new Promise((resolve) => (begun = resolve));
  const provider = speaker((_request, { signal }) => {
    begun();
    return new Promise((_, reject) => {
      signal.addEventListener("abort", () => {
        aborted++;
        reject(signal.reason);
      });
    });
  });
  const { engine, run } = await begin(t, provider);
  // Waited for from here on, which keeps the process alive.
  const waiting = assert.rejects(engine.wait(run.id), CancelledError);
  await calling;
  await engine.cancel(run.id);
  await waiting;
  await eventually(() => aborted === provider.calls.length && aborted > 0);
  assert.equal((await engine.run(run.id)).state, "cancelled");
});

test("aborting make stops the run and its calls", async (t) => {
  const dir = await folder(t);
  const engine = await Engine.inMemory();
  t.after(() => engine.close());
  const controller = new AbortController();
  const reason = new Error("enough");
  const signals = [];
  engine.registerProvider(
    speaker((_request, { signal }) => {
      signals.push(signal);
      controller.abort(reason);
      return new Promise(() => {});
    }),
  );
  const { signal } = controller;
  const making = engine.make(await bookFile(dir), dir, { options: OPTIONS, signal });
  await assert.rejects(making, (caught) => caught === reason);
  assert.equal((await engine.runs()).items[0].state, "cancelled");
  await eventually(() => signals.every((signal) => signal.aborted));
});

test("work that goes on at the vendor's is polled, not begun again", async (t) => {
  const polls = new Map();
  const provider = speaker(
    (_request, { generation }) => ({
      kind: "pending",
      id: generation,
      state: { region: "eu" },
      pollAfterMs: 50,
    }),
    {
      poll(operation) {
        assert.deepEqual(operation.state, { region: "eu" });
        const count = (polls.get(operation.id) ?? 0) + 1;
        polls.set(operation.id, count);
        if (count === 1) return { kind: "pending", ...operation, pollAfterMs: 50 };
        return { kind: "speech", audio: wav(200), mediaType: "audio/wav" };
      },
    },
  );
  const { engine, book, run } = await begin(t, provider);
  await engine.wait(run.id);
  const { calls } = await engine.plan(book.id, { options: OPTIONS });
  assert.equal(provider.calls.length, calls);
  assert.ok([...polls.values()].every((count) => count === 2));
});

for (const [what, reply] of [
  ["nothing", undefined],
  ["a kind that is none", { kind: "smell" }],
  ["no bytes", { kind: "speech", audio: Buffer.alloc(0), mediaType: "audio/wav" }],
  ["no media type", { kind: "speech", audio: wav(100) }],
  ["a text for audio", { kind: "speech", audio: "RIFF", mediaType: "audio/wav" }],
]) {
  test(`a provider that replies with ${what} fails the run, not the process`, async (t) => {
    const { engine, run } = await begin(t, {
      name: "test",
      capabilities: { speech: {} },
      generate: () => reply,
    });
    await assert.rejects(engine.wait(run.id));
    assert.equal((await engine.run(run.id)).error.kind, "provider");
  });
}

async function eventually(holds) {
  for (let tries = 0; tries < 100 && !holds(); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.ok(holds());
}
