import assert from "node:assert/strict";
import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";

import * as litink from "../dist/index.js";
import { errorOf, native } from "../dist/errors.js";
import { errorKinds } from "../dist/native.js";
import { folder } from "./support.mjs";

const { ERROR_CLASSES, Engine, LitinkError, ProviderError } = litink;

test("every kind of the engine has a class of its own, exported, and no other has", () => {
  assert.deepEqual(Object.keys(ERROR_CLASSES).sort(), errorKinds().sort());
  assert.equal(new Set(Object.values(ERROR_CLASSES)).size, errorKinds().length);
  for (const [kind, Class] of Object.entries(ERROR_CLASSES)) {
    assert.equal(litink[Class.name], Class);
    const error = errorOf({ kind, message: "a sentence" });
    assert.ok(error instanceof LitinkError && error instanceof Error);
    assert.equal(error.constructor, Class);
    assert.equal(error.name, Class.name);
    assert.equal(error.code, kind);
  }
});

test("a kind that is new to this facade is still a LitinkError", () => {
  const error = errorOf({ kind: "of_tomorrow", message: "a sentence" });
  assert.ok(error instanceof LitinkError);
  assert.equal(error.kind, "of_tomorrow");
});

test("an error keeps what the native part says of it", async () => {
  const told = {
    kind: "rate_limited",
    code: "slow_down",
    message: "wait",
    context: { provider: "test" },
    retry: "after",
    retry_after: 1.5,
    charge: "maybe",
  };
  const failing = native(() => Promise.reject(new Error(JSON.stringify(told))));
  await assert.rejects(failing, {
    name: "RateLimitedError",
    kind: "rate_limited",
    code: "slow_down",
    message: "wait",
    context: { provider: "test" },
    retry: "after",
    retryAfter: 1.5,
    charge: "maybe",
  });
});

test("retries have the engine's defaults", () => {
  assert.equal(new ProviderError("no").retry, "never");
  assert.equal(new ProviderError({ kind: "rate_limited" }).retry, "backoff");
  assert.equal(new ProviderError({ kind: "rate_limited", retryAfter: 1.5 }).retry, "after");
  assert.equal(new ProviderError({ kind: "timeout", retry: "ambiguous" }).retry, "ambiguous");
});

test("files that are no books are told apart by code", async (t) => {
  const dir = await folder(t);
  const engine = await Engine.inMemory({ settings: { max_file_bytes: 1_000 } });
  t.after(() => engine.close());
  const file = async (name, bytes) => {
    const path = join(await mkdtemp(join(dir, "book-")), name);
    await writeFile(path, bytes);
    return engine.importFile(path);
  };
  await assert.rejects(file("a.txt", ""), { kind: "invalid_input", code: "empty_file" });
  await assert.rejects(file("a.txt", "x".repeat(1_001)), {
    kind: "limit_exceeded",
    code: "file_too_large",
  });
  await assert.rejects(file("a.png", Buffer.from("89504e470d0a1a0a0000000d49484452", "hex")), {
    name: "UnsupportedError",
  });
});

test("a folder that cannot be written to is told apart", async (t) => {
  const dir = await folder(t);
  await writeFile(join(dir, "file"), "");
  await assert.rejects(Engine.open(join(dir, "file")), LitinkError);
});
