// The page in a real browser: a book in, a run watched, sound out.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const BOOK = fileURLToPath(
  new URL("../../examples/books/the-lamplighters-map.epub", import.meta.url),
);
const ARGUMENTS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update",
  "--disable-background-networking", "--disable-sync", "--disable-dev-shm-usage",
];

async function serve(folder) {
  const program = process.env.LITINK_TEST_PROGRAM;
  assert.ok(program, "LITINK_TEST_PROGRAM names the litink program");
  const child = spawn(program, ["serve", "--bind", "127.0.0.1:0", "--data", join(folder, "data")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const address = /http:\/\/[\d.:]+\//.exec(line);
    if (address) return { child, address: address[0] };
  }
  throw new Error("the server did not start");
}

test("a book becomes an audiobook that plays", { timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "litink-browser-"));
  const { child, address } = await serve(folder);
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ARGUMENTS,
  });
  try {
    const page = await browser.newPage();
    const faults = [];
    page.on("pageerror", (error) => faults.push(String(error)));
    page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
    await page.goto(address);
    await page.setInputFiles("#file", BOOK);
    await page.waitForSelector("#book:not([hidden])");
    assert.match(await page.textContent("#book-title"), /Lamplighter/);
    assert.ok((await page.locator("#chapter-list li").count()) >= 3);
    await page.fill("#chapters", "1");
    await page.click("#go");
    await page.waitForSelector("#done:not([hidden])", { timeout: 60_000 });
    const length = await page.waitForFunction(() => {
      const audio = document.querySelector("#audio");
      return audio.readyState >= 1 && audio.duration > 10 ? audio.duration : false;
    });
    assert.ok((await length.jsonValue()) > 10);
    assert.ok((await page.locator("#files a").count()) >= 1);
    if (process.env.LITINK_TEST_SCREENSHOT) {
      await page.screenshot({ path: process.env.LITINK_TEST_SCREENSHOT, fullPage: true });
    }
    assert.deepEqual(faults, []);
  } finally {
    await browser.close();
    child.kill("SIGINT");
    await new Promise((resolve) => child.once("exit", resolve));
    await rm(folder, { recursive: true, force: true });
  }
});
