// Builds the native part with cargo and puts it where the facade loads it: `litink.node`.
//
//   node scripts/build.mjs [--release]

import { spawn } from "node:child_process";
import { copyFile, rename } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const crate = fileURLToPath(new URL("../Cargo.toml", import.meta.url));
const addon = fileURLToPath(new URL("../litink.node", import.meta.url));

const cargo = spawn(
  "cargo",
  [
    "build",
    "--lib",
    "--manifest-path",
    crate,
    "--message-format=json-render-diagnostics",
    ...process.argv.slice(2),
  ],
  { stdio: ["ignore", "pipe", "inherit"] },
);
const ended = new Promise((resolve, reject) => {
  cargo.on("error", reject);
  cargo.on("close", resolve);
});

let library;
for await (const line of createInterface({ input: cargo.stdout })) {
  const message = JSON.parse(line);
  if (message.reason === "compiler-artifact" && message.target.name === "litink_node") {
    library = message.filenames.find((name) => /\.(so|dylib|dll)$/.test(name));
  }
}
if ((await ended) !== 0 || !library) process.exit(1);

// Renamed over, so that a process that has the old one loaded keeps it whole.
await copyFile(library, `${addon}.new`);
await rename(`${addon}.new`, addon);
