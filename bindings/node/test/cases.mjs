// Runs the cases that every language runs. As a program, with LITINK_CASES_PRINT=1, it prints what
// came out, a JSON line for each; the lines of all languages are compared.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { Engine } from "../dist/index.js";

const ROOT = new URL("../../../", import.meta.url);

/** Every case, by its file's name. */
export async function cases() {
  const folder = new URL("tests/cases/", ROOT);
  const names = (await readdir(folder)).filter((name) => name.endsWith(".json")).sort();
  return Promise.all(names.map(async (name) => JSON.parse(await readFile(new URL(name, folder)))));
}

/** Runs a case; its keys are in the order of the alphabet, as all languages print them. */
export async function outcome({ id, book: name, edits, options }) {
  const engine = await Engine.inMemory();
  try {
    const path = fileURLToPath(new URL(`examples/books/${name}`, ROOT));
    const { book } = await engine.importFile(path);
    if (edits !== undefined) await engine.editBook(book.id, book.version, edits);
    const plan = await engine.plan(book.id, { options });
    const run = await engine.wait((await engine.start(book.id, { options })).id);
    const exports = await engine.exports(run.id);
    return {
      book_id: book.id,
      calls: plan.calls,
      exports: exports.map(({ bytes, content_hash, format }) => ({ bytes, content_hash, format })),
      id,
      plan: plan.steps.map((step) => step.key),
      run_id: run.id,
    };
  } finally {
    await engine.close();
  }
}

/** Whatever the case expects must be so; what it does not name may be anything. */
export function check({ expect = {} }, actual) {
  for (const [key, expected] of Object.entries(expect)) {
    const found = key === "exports" ? exportsLike(expected, actual.exports) : actual[key];
    assert.deepEqual(found, expected, key);
  }
}

/** The exports as far as they are named: by format alone, or with some of their keys. */
function exportsLike(expected, actual) {
  return actual.map((file, index) => {
    const like = expected[index];
    if (like === undefined || typeof like === "string") return file.format;
    return Object.fromEntries(Object.keys(like).map((key) => [key, file[key]]));
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const each of await cases()) {
    const actual = await outcome(each);
    check(each, actual);
    if (process.env.LITINK_CASES_PRINT === "1") console.log(JSON.stringify(actual));
  }
}
