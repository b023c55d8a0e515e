import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";

import { ConflictError, Engine, InvalidInputError, NotFoundError, UnavailableError } from "../dist/index.js";
import { BOOK, OPTIONS, bookFile, folder, speaker, wav } from "./support.mjs";

test("the whole job with the local provider", async (t) => {
  const dir = await folder(t);
  await using(await Engine.open(join(dir, "data")), async (engine) => {
    const seen = [];
    const made = await engine.make(await bookFile(dir), join(dir, "out"), {
      options: { formats: ["wav", "srt"] },
      onProgress: (progress) => seen.push(progress.fraction),
    });
    assert.equal(made.run.state, "completed");
    assert.deepEqual(made.exports.map((file) => file.format), ["wav", "srt"]);
    assert.deepEqual((await readdir(join(dir, "out"))).length, 2);
    for (const [index, path] of made.files.entries()) {
      assert.equal((await stat(path)).size, made.exports[index].bytes);
    }
    assert.equal((await readFile(made.files[0])).toString("latin1", 0, 4), "RIFF");
    assert.equal(seen.at(-1), 1);
    assert.deepEqual(seen, seen.toSorted?.((a, b) => a - b) ?? [...seen].sort((a, b) => a - b));
  });
});

test("chapters are merged and renamed at the version that was looked at", async (t) => {
  const dir = await folder(t);
  await using(await Engine.inMemory({ worker: false }), async (engine) => {
    const { book } = await engine.importFile(await bookFile(dir));
    const chapters = await engine.chapters(book.id);
    const [one, two] = chapters;
    const edits = [
      { op: "merge", chapters: [one.id, two.id] },
      { op: "rename", chapter: one.id, title: "Both" },
    ];
    const edited = await engine.editBook(book.id, book.version, edits);
    assert.equal(edited.book.version, book.version + 1);
    assert.deepEqual(edited.chapters.map((it) => it.id), [one, ...chapters.slice(2)].map((it) => it.id));
    assert.equal(edited.chapters[0].title, "Both");
    assert.deepEqual(await engine.chapters(book.id), edited.chapters);
    await assert.rejects(engine.editBook(book.id, book.version, edits), (error) => {
      return error instanceof ConflictError && error.code === "version_conflict";
    });
    const wrong = [{ op: "split", chapter: one.id, block: 0 }];
    await assert.rejects(engine.editBook(book.id, edited.book.version, wrong), (error) => {
      return error instanceof InvalidInputError && error.code === "bad_split";
    });
  });
});

test("users see what is their own", async (t) => {
  const dir = await folder(t);
  await using(await Engine.inMemory(), async (engine) => {
    engine.registerProvider(speaker());
    const ada = engine.asUser("11111111-1111-4111-8111-111111111111");
    const bob = engine.asUser("22222222-2222-4222-8222-222222222222");
    const made = await ada.make(await bookFile(dir), join(dir, "out"), { options: OPTIONS });
    const { book, run } = made;
    const missing = "33333333-3333-4333-8333-333333333333";
    for (const stranger of [bob, engine]) {
      assert.deepEqual((await stranger.books()).items, []);
      assert.deepEqual((await stranger.runs()).items, []);
      for (const [call, id] of [
        ["book", book.id],
        ["chapters", book.id],
        ["deleteBook", book.id],
        ["plan", book.id],
        ["start", book.id],
        ["run", run.id],
        ["cancel", run.id],
        ["resume", run.id],
        ["wait", run.id],
        ["progress", run.id],
        ["exports", run.id],
      ]) {
        // What is another's is told as what there is not.
        const said = [];
        for (const asked of [id, missing]) {
          const error = await stranger[call](asked).then(
            () => assert.fail(`${call} of another's`),
            (error) => error,
          );
          assert.ok(error instanceof NotFoundError, `${call}: ${error}`);
          said.push(error.message.replace(asked, "ID"));
        }
        assert.equal(said[0], said[1], call);
      }
    }
    assert.notEqual((await bob.importFile(await bookFile(dir))).book.id, book.id);
    assert.equal((await ada.run(run.id)).state, "completed");
    assert.throws(() => engine.asUser("ada"), InvalidInputError);
  });
});

test("books, chapters, plans, runs and exports are the engine's", async (t) => {
  const dir = await folder(t);
  await using(await Engine.inMemory(), async (engine) => {
    const provider = speaker();
    engine.registerProvider(provider);
    const { book, existing } = await engine.importBytes("lamp.txt", Buffer.from(BOOK));
    assert.equal(existing, false);
    assert.equal((await engine.importFile(await bookFile(dir))).existing, true);
    assert.deepEqual((await engine.books()).items, [await engine.book(book.id)]);

    const chapters = await engine.chapters(book.id, { text: true });
    assert.equal(chapters.filter((chapter) => chapter.kind === "chapter").length, 2);
    assert.ok(chapters.some((chapter) => chapter.blocks.some((b) => b.text.includes("A ship"))));
    assert.ok((await engine.chapters(book.id)).every((chapter) => chapter.blocks.length === 0));

    const plan = await engine.plan(book.id, { options: OPTIONS });
    assert.ok(plan.calls > 0);
    assert.equal(provider.calls.length, 0);
    const run = await engine.start(book.id, { options: OPTIONS });
    assert.equal(run.step_count, plan.steps.length);
    assert.equal((await engine.start(book.id, { options: OPTIONS })).id, run.id);
    const named = await engine.start(book.id, { options: OPTIONS, idempotencyKey: "again" });
    assert.notEqual(named.id, run.id);
    assert.equal((await engine.wait(run.id)).state, "completed");
    assert.equal((await engine.wait(named.id)).state, "completed");
    assert.equal((await engine.runs({ bookId: book.id })).items.length, 2);
    // Each text is paid once, though two runs speak it.
    assert.equal(provider.calls.length, plan.calls);
    assert.equal((await engine.progress(run.id)).fraction, 1);

    const [file] = await engine.exports(run.id);
    const path = await engine.save(file.id, join(dir, "deep", "out"));
    assert.equal((await readFile(path)).length, file.bytes);
    let bytes = 0;
    for await (const piece of engine.read(file.id)) bytes += piece.length;
    assert.equal(bytes, file.bytes);
    assert.deepEqual(await readdir(dirname(path)), [file.file_name]);

    await engine.deleteBook(book.id);
    await assert.rejects(engine.book(book.id), NotFoundError);
  });
});

test("a run that was made is there for the next engine, and pays nothing again", async (t) => {
  const dir = await folder(t);
  const made = async () => {
    const provider = speaker();
    const engine = await Engine.open(join(dir, "data"));
    try {
      engine.registerProvider(provider);
      const made = await engine.make(await bookFile(dir), join(dir, "out"), { options: OPTIONS });
      return [made, provider.calls.length];
    } finally {
      await engine.close();
    }
  };
  const [first, paid] = await made();
  const [second, again] = await made();
  assert.ok(paid > 0);
  assert.equal(again, 0);
  assert.deepEqual(second.run, first.run);
});

test("watching ends with the run, can be left, and can be aborted", async (t) => {
  await using(await Engine.inMemory(), async (engine) => {
    let open;
    const gate = new Promise((resolve) => (open = resolve));
    t.after(() => open());
    engine.registerProvider(speaker(() => gate));
    const { book } = await engine.importBytes("lamp.txt", Buffer.from(BOOK));
    const run = await engine.start(book.id, { options: OPTIONS });

    for await (const progress of engine.watch(run.id)) {
      assert.equal(progress.state, "running");
      break;
    }
    const controller = new AbortController();
    const reason = new Error("enough");
    setTimeout(() => controller.abort(reason), 100);
    await assert.rejects(engine.wait(run.id, { signal: controller.signal }), (e) => e === reason);
    await assert.rejects(engine.wait(run.id, { signal: AbortSignal.timeout(50) }), {
      name: "TimeoutError",
    });
    assert.equal((await engine.run(run.id)).state, "running");

    open();
    let last;
    for await (const progress of engine.watch(run.id)) last = progress;
    assert.equal(last.state, "completed");
    assert.equal(last.fraction, 1);
  });
});

test("an aborted signal stops a call before it begins", async () => {
  await using(await Engine.inMemory(), async (engine) => {
    const signal = AbortSignal.abort(new Error("no"));
    await assert.rejects(engine.importBytes("a.txt", Buffer.from(BOOK), { signal }), /^Error: no$/);
    assert.equal((await engine.books()).items.length, 0);
  });
});

test("a closed engine says so, ends who waits, and closes again", async () => {
  const engine = await Engine.inMemory();
  engine.registerProvider(speaker((_, { signal }) => until(signal)));
  const { book } = await engine.importBytes("lamp.txt", Buffer.from(BOOK));
  const run = await engine.start(book.id, { options: OPTIONS });
  const waiting = assert.rejects(engine.wait(run.id), { kind: "unavailable", code: "closed" });
  await engine.close({ graceMs: 0 });
  await waiting;
  await assert.rejects(engine.books(), UnavailableError);
  assert.throws(() => engine.registerProvider(speaker()), UnavailableError);
  await engine[Symbol.asyncDispose]();
});

test("settings are checked", async (t) => {
  const dir = await folder(t);
  const open = (settings) => Engine.open(dir, { settings });
  await assert.rejects(open({ max_attempts: 0 }), { kind: "configuration", code: "bad_settings" });
  await assert.rejects(open({ nonsense: 1 }), { kind: "configuration", code: "bad_settings" });
});

test("a worker is optional: another engine on the same data does the work", async (t) => {
  const dir = await folder(t);
  const asks = await Engine.open(dir, { worker: false });
  const works = await Engine.open(dir);
  try {
    for (const engine of [asks, works]) engine.registerProvider(speaker());
    const { book } = await asks.importBytes("lamp.txt", Buffer.from(BOOK));
    const run = await asks.start(book.id, { options: OPTIONS });
    assert.equal((await asks.wait(run.id)).state, "completed");
  } finally {
    await asks.close();
    await works.close();
  }
});

test("an engine and a provider in a worker thread, which ends by itself", async () => {
  const support = new URL("support.mjs", import.meta.url);
  const index = new URL("../dist/index.js", import.meta.url);
  const code = `
    const { parentPort } = require("node:worker_threads");
    (async () => {
      const { Engine } = await import(${JSON.stringify(index.href)});
      const { BOOK, OPTIONS, speaker } = await import(${JSON.stringify(support.href)});
      const engine = await Engine.inMemory();
      engine.registerProvider(speaker());
      const { book } = await engine.importBytes("lamp.txt", Buffer.from(BOOK));
      const run = await engine.wait((await engine.start(book.id, { options: OPTIONS })).id);
      await engine.close();
      parentPort.postMessage(run.state);
    })();`;
  const worker = new Worker(code, { eval: true });
  let state;
  worker.on("message", (message) => (state = message));
  const status = await new Promise((resolve, reject) => {
    worker.on("error", reject);
    worker.on("exit", resolve);
  });
  assert.equal(status, 0);
  assert.equal(state, "completed");
});

test("the process ends by itself, with the engine closed or left open", async () => {
  const here = dirname(fileURLToPath(import.meta.url));
  for (const end of ["await engine.close();", ""]) {
    const code = `
      import { Engine } from "../dist/index.js";
      import { BOOK, OPTIONS, speaker } from "./support.mjs";
      const engine = await Engine.inMemory();
      engine.registerProvider(speaker());
      const { book } = await engine.importBytes("lamp.txt", Buffer.from(BOOK));
      const run = await engine.wait((await engine.start(book.id, { options: OPTIONS })).id);
      console.log(run.state);
      ${end}`;
    const run = promisify(execFile)(process.execPath, ["--input-type=module", "-e", code], {
      cwd: here,
      timeout: 20_000,
    });
    assert.equal((await run).stdout, "completed\n");
  }
});

test("what cannot be is refused by name", async (t) => {
  const dir = await folder(t);
  await using(await Engine.inMemory(), async (engine) => {
    await assert.rejects(engine.importFile(join(dir, "none.epub")), NotFoundError);
    await assert.rejects(engine.importFile(dir), { kind: "invalid_input", code: "not_a_file" });
    await assert.rejects(engine.book("nonsense"), { kind: "invalid_input", code: "bad_id" });
    await assert.rejects(engine.book(42), InvalidInputError);
    await assert.rejects(engine.importBytes("a.txt", Buffer.alloc(0)), { kind: "invalid_input" });
    const { book } = await engine.importBytes("lamp.txt", Buffer.from(BOOK));
    const start = (options) => engine.start(book.id, { options });
    await assert.rejects(start({ formats: ["ogg"] }), { code: "bad_options" });
    await assert.rejects(start({ provider: "none" }), { code: "unknown_provider" });
    await assert.rejects(engine.start(book.id, { recipe: "soup" }), { code: "unknown_recipe" });
    await assert.rejects(async () => {
      for await (const _ of engine.watch("00000000-0000-8000-8000-000000000000"));
    }, NotFoundError);
    assert.equal(wav(1).length, 44 + 16);
  });
});

async function using(engine, use) {
  try {
    await use(engine);
  } finally {
    await engine.close({ graceMs: 1_000 });
  }
}

function until(signal) {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
