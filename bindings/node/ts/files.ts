import { createWriteStream } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

import { errorOf } from "./errors.js";
import type { ErrorKind } from "./errors.js";

const KINDS: Readonly<Record<string, [ErrorKind, string]>> = {
  EACCES: ["permission_denied", "litink may not write here; check the rights"],
  EPERM: ["permission_denied", "litink may not write here; check the rights"],
  EROFS: ["permission_denied", "litink may not write here; check the rights"],
  ENOSPC: ["storage_full", "the disk is full; make room and run the same again, nothing is lost"],
  EDQUOT: ["storage_full", "the disk is full; make room and run the same again, nothing is lost"],
  ENOTDIR: ["invalid_input", "this is not a folder"],
  EEXIST: ["invalid_input", "this is not a folder"],
};

/** Writes a file of a folder: whole or not at all, whatever happens on the way. */
export async function writeWhole(
  folder: string,
  name: string,
  body: AsyncIterable<Buffer>,
  signal: AbortSignal | undefined,
): Promise<string> {
  const path = join(folder, name);
  const partial = join(folder, `.${name}.${process.pid}.part`);
  try {
    await mkdir(folder, { recursive: true });
    const file = createWriteStream(partial, { flush: true });
    await pipeline(Readable.from(body), file, signal ? { signal } : {});
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true }).catch(() => {});
    signal?.throwIfAborted();
    throw ofSystem(error, folder);
  }
  return path;
}

function ofSystem(error: unknown, folder: string): unknown {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  const known = code === undefined ? undefined : KINDS[code];
  if (!known) return error;
  const [kind, message] = known;
  return errorOf({ kind, message: `${message} (out: ${folder})`, context: { out: folder }, cause: error });
}
