import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readFile, readdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { folder } from "./support.mjs";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));
const EXAMPLES = fileURLToPath(new URL("../../../examples/node", import.meta.url));

test.before(async () => {
  // What `npm install` in the folder of the examples does.
  await mkdir(join(EXAMPLES, "node_modules"), { recursive: true });
  await symlink(PACKAGE, join(EXAMPLES, "node_modules/litink"), "dir").catch((error) => {
    if (error.code !== "EEXIST") throw error;
  });
});

const run = (example, dir) =>
  promisify(execFile)(process.execPath, [join(EXAMPLES, example)], {
    cwd: dir,
    timeout: 120_000,
  });

test("quickstart.mjs", async (t) => {
  const dir = await folder(t);
  const { stdout, stderr } = await run("quickstart.mjs", dir);
  assert.match(stdout, /chapters\n/);
  assert.match(stderr, /100 %/);
  const [wav, vtt] = (await readdir(join(dir, "audiobooks"))).sort().reverse();
  assert.ok(wav.endsWith(".wav") && vtt.endsWith(".vtt"));
  assert.match(await readFile(join(dir, "audiobooks", vtt), "utf8"), /^WEBVTT\n/);
});

test("own-provider.mjs", async (t) => {
  const dir = await folder(t);
  const { stdout } = await run("own-provider.mjs", dir);
  assert.match(stdout, /\.wav \([1-9]\d* s\)\n/);
  assert.equal((await readdir(join(dir, "audiobooks"))).length, 2);
});
