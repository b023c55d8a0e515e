// The native part, as `src/` has it. Private: what it takes and gives is the engine's JSON as text.

import { createRequire } from "node:module";

/** A call on its way to a provider. */
export interface Ask {
  id: number;
  /** `generate`, `poll`, `cancel`; or `abort`, for the call with this id. */
  method: string;
  input: string;
  generation: string;
  attempt: number;
}

/** What a provider answers, its bytes apart. */
export interface Answer {
  told: string;
  media?: Buffer;
}

/** The progress of a run. */
export interface NativeWatch {
  next(): Promise<string | null>;
  close(): void;
}

/** The bytes of a finished file. */
export interface NativeReader {
  readonly export: string;
  next(): Promise<Buffer | null>;
}

/** An open engine. */
export interface NativeEngine {
  asUser(user: string): NativeEngine;
  importFile(path: string): Promise<string>;
  importBytes(name: string, bytes: Buffer): Promise<string>;
  books(after: string | null, limit: number): Promise<string>;
  book(id: string): Promise<string>;
  chapters(book: string, text: boolean): Promise<string>;
  editBook(edits: string): Promise<string>;
  deleteBook(id: string): Promise<string>;
  plan(spec: string): Promise<string>;
  start(spec: string, key: string | null): Promise<string>;
  run(id: string): Promise<string>;
  runs(book: string | null, after: string | null, limit: number): Promise<string>;
  cancel(id: string): Promise<string>;
  resume(id: string): Promise<string>;
  wait(id: string): Promise<string>;
  progress(run: string): Promise<string>;
  watch(run: string, revision: number): NativeWatch;
  exports(run: string): Promise<string>;
  readExport(id: string): Promise<NativeReader>;
  providers(): Promise<string>;
  registerProvider(name: string, capabilities: string, call: (ask: Ask) => Promise<Answer>): void;
  close(graceMs: number): Promise<void>;
}

interface Native {
  openEngine(source: string): Promise<NativeEngine>;
  errorKinds(): string[];
}

export const { openEngine, errorKinds }: Native = createRequire(import.meta.url)("../litink.node");
