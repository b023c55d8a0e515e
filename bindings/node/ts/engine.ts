import { abortable } from "./abort.js";
import type { Abortable } from "./abort.js";
import type {
  Book,
  Chapter,
  Edit,
  Edited,
  Export,
  Imported,
  Page,
  Plan,
  Progress,
  RecipeOptions,
  Run,
  Settings,
} from "./data.js";
import { native, nativeSync } from "./errors.js";
import { writeWhole } from "./files.js";
import { openEngine } from "./native.js";
import type { NativeEngine, NativeReader } from "./native.js";
import { LiveErrors, bridge } from "./provider.js";
import type { Provider, ProviderInfo } from "./provider.js";

/** How to open an engine. */
export interface OpenOptions {
  /** What differs from the defaults. */
  settings?: Settings;
  /**
   * Whether a worker inside this process executes the steps. Default yes; without one, runs are
   * begun here and worked on by another process on the same data.
   */
  worker?: boolean;
}

/** What to make. */
export interface RunOptions {
  /** Default `audiobook`. */
  recipe?: string;
  /** The recipe's options; it fills in the rest. */
  options?: RecipeOptions;
}

/** How to begin a run. */
export interface StartOptions extends RunOptions, Abortable {
  /** Names the run: with a new key the same is made again (though nothing is paid again). */
  idempotencyKey?: string | undefined;
}

/** How to do the whole job. */
export interface MakeOptions extends StartOptions {
  /** Told how far it is. */
  onProgress?: (progress: Progress) => void;
}

/** What the whole job gave. */
export interface Made {
  book: Book;
  run: Run;
  exports: Export[];
  /** The paths of the saved files, in the order of `exports`. */
  files: string[];
}

/** Which page of a list. */
export interface PageOptions extends Abortable {
  /** The `next` of the page before. */
  after?: string | null;
  /** 1 to 500; default 50. */
  limit?: number;
}

/**
 * An engine: books in, runs of recipes, files out.
 *
 * Its state stands in its data folder, so any number of engines may work on the same one, in any
 * number of processes and languages. Every failure is a `LitinkError`.
 *
 * An open engine does not keep the process alive; what is awaited of it does.
 */
export class Engine {
  readonly #native: NativeEngine;
  readonly #live: LiveErrors;

  private constructor(engine: NativeEngine, live = new LiveErrors()) {
    this.#native = engine;
    this.#live = live;
  }

  /** Opens an engine on a folder, which is made if it is not there. */
  static async open(dataDir = "litink-data", options: OpenOptions = {}): Promise<Engine> {
    return Engine.#open({ settings: { ...options.settings, data_dir: dataDir } }, options);
  }

  /** Opens an engine that keeps everything in memory; it is gone with the process. */
  static async inMemory(options: OpenOptions = {}): Promise<Engine> {
    return Engine.#open({ settings: { ...options.settings, in_memory: true } }, options);
  }

  /**
   * Opens an engine as a settings file says (default `litink.toml` in the current folder, if it is
   * there) and the `LITINK_*` variables, which win.
   */
  static async fromConfig(
    file?: string,
    options: Pick<OpenOptions, "worker"> = {},
  ): Promise<Engine> {
    return Engine.#open({ config: file }, options);
  }

  /**
   * The same engine in the name of a user, whose id (a UUID) your application knows: it sees and
   * makes what is that user's alone. Without it, everything is the one local user's.
   *
   * Who a user is, is for your application to find out first. It shares the worker, the providers
   * and the end: close either.
   */
  asUser(user: string): Engine {
    return new Engine(
      nativeSync(() => this.#native.asUser(user)),
      this.#live,
    );
  }

  static async #open(source: object, { worker = true }: OpenOptions): Promise<Engine> {
    return new Engine(await native(() => openEngine(JSON.stringify({ ...source, worker }))));
  }

  /** Imports a book file. The same file is the same book, imported once. */
  async importFile(path: string, { signal }: Abortable = {}): Promise<Imported> {
    return this.#call((engine) => engine.importFile(path), signal);
  }

  /** Imports a book from its bytes; the name is for its ending, and a title where there is none. */
  async importBytes(
    name: string,
    bytes: Uint8Array,
    { signal }: Abortable = {},
  ): Promise<Imported> {
    const { buffer, byteOffset, byteLength } = bytes;
    const view = Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
    return this.#call((engine) => engine.importBytes(name, view), signal);
  }

  /** A page of the books, newest first. */
  async books({ after, limit = 50, signal }: PageOptions = {}): Promise<Page<Book>> {
    return this.#call((engine) => engine.books(after ?? null, limit), signal);
  }

  /** A book. */
  async book(id: string): Promise<Book> {
    return this.#call((engine) => engine.book(id));
  }

  /** All chapters of a book, in order; with `text`, what stands in them. */
  async chapters(bookId: string, { text = false }: { text?: boolean } = {}): Promise<Chapter[]> {
    return this.#call((engine) => engine.chapters(bookId, text));
  }

  /**
   * Changes the structure of a book: all edits in their order, or none. `version` is that of the
   * book that was looked at; whoever changed it in between is not overwritten
   * (`version_conflict`).
   *
   * What was made of the book stays. A run that is begun afterwards is another run, in which
   * chapters that were not changed cost nothing.
   */
  async editBook(bookId: string, version: number, edits: readonly Edit[]): Promise<Edited> {
    const asked = JSON.stringify({ book: bookId, version, edits });
    return this.#call((engine) => engine.editBook(asked));
  }

  /**
   * Removes a book with its chapters, runs and finished files. What was generated for it stays, so
   * that importing it again pays nothing twice.
   */
  async deleteBook(id: string): Promise<void> {
    await this.#call((engine) => engine.deleteBook(id));
  }

  /** What a run would do, without doing or storing anything. */
  async plan(bookId: string, options: RunOptions = {}): Promise<Plan> {
    return this.#call((engine) => engine.plan(spec(bookId, options)));
  }

  /**
   * Begins a run. The same book, recipe and options are the same run: asked for again, it is
   * returned as it stands.
   */
  async start(bookId: string, options: StartOptions = {}): Promise<Run> {
    const { idempotencyKey, signal } = options;
    const begin = (engine: NativeEngine) =>
      engine.start(spec(bookId, options), idempotencyKey ?? null);
    return this.#call(begin, signal);
  }

  /** A run. */
  async run(id: string): Promise<Run> {
    return this.#call((engine) => engine.run(id));
  }

  /** A page of the runs, newest first, of one book or of all. */
  async runs(options: PageOptions & { bookId?: string } = {}): Promise<Page<Run>> {
    const { bookId, after, limit = 50, signal } = options;
    return this.#call((engine) => engine.runs(bookId ?? null, after ?? null, limit), signal);
  }

  /** Stops a run. What is finished stays; calls in flight are aborted. */
  async cancel(runId: string): Promise<Run> {
    return this.#call((engine) => engine.cancel(runId));
  }

  /** Goes on with a run that failed or was stopped: what is completed stays. */
  async resume(runId: string): Promise<Run> {
    return this.#call((engine) => engine.resume(runId));
  }

  /** How far a run is now. */
  async progress(runId: string): Promise<Progress> {
    return this.#call((engine) => engine.progress(runId));
  }

  /**
   * How far a run is, now and at every change after `revision`, until it is final. Another process
   * may do the work. Leaving the loop, or aborting, stops the watching and not the run.
   */
  async *watch(
    runId: string,
    { signal, revision = 0 }: Abortable & { revision?: number } = {},
  ): AsyncGenerator<Progress, void, undefined> {
    signal?.throwIfAborted();
    const watch = nativeSync(() => this.#native.watch(runId, revision));
    const close = () => watch.close();
    signal?.addEventListener("abort", close, { once: true });
    try {
      for (;;) {
        const progress = await native(() => watch.next());
        signal?.throwIfAborted();
        if (progress == null) return;
        yield JSON.parse(progress) as Progress;
      }
    } finally {
      signal?.removeEventListener("abort", close);
      close();
    }
  }

  /**
   * Waits until a run is completed. Rejects with its error: with the very object that a provider
   * threw, if it threw it in this process.
   */
  async wait(runId: string, options: Abortable = {}): Promise<Run> {
    return this.#wait(runId, options.signal, undefined);
  }

  /** The finished files of a run, in order. */
  async exports(runId: string): Promise<Export[]> {
    return this.#call((engine) => engine.exports(runId));
  }

  /** The bytes of a finished file, as they come. */
  async *read(exportId: string): AsyncGenerator<Buffer, void, undefined> {
    yield* pieces(await native(() => this.#native.readExport(exportId)));
  }

  /** Saves a finished file in a folder, under its own name; returns the path. */
  async save(exportId: string, dir: string, { signal }: Abortable = {}): Promise<string> {
    signal?.throwIfAborted();
    const reader = await native(() => this.#native.readExport(exportId));
    const file = JSON.parse(reader.export) as Export;
    return writeWhole(dir, file.file_name, pieces(reader), signal);
  }

  /**
   * Does the whole job: imports a book, makes what is to be made of it, and saves the files in a
   * folder. Called again after a failure it goes on where it was, and makes nothing twice.
   *
   * Rejects with the run's error. Aborting it stops the run.
   */
  async make(path: string, out: string, options: MakeOptions = {}): Promise<Made> {
    const { signal, onProgress } = options;
    const { book } = await this.importFile(path, { signal });
    signal?.throwIfAborted();
    // Not aborted itself: a run that has begun must be known, to be stopped.
    const begun = await this.start(book.id, { ...options, signal: undefined });
    const run = await this.#finish(begun, signal, onProgress).catch(async (error) => {
      if (signal?.aborted) await this.cancel(begun.id);
      throw error;
    });
    const exports = await this.exports(run.id);
    const files: string[] = [];
    for (const file of exports) files.push(await this.save(file.id, out, { signal }));
    return { book, run, exports, files };
  }

  /** Every registered provider, by name. */
  async providers(): Promise<ProviderInfo[]> {
    return this.#call((engine) => engine.providers());
  }

  /** Registers a provider, in the place of another of its name. Works on a running engine. */
  registerProvider(provider: Provider): void {
    const capabilities = JSON.stringify(provider.capabilities);
    const call = bridge(provider, this.#live);
    nativeSync(() => this.#native.registerProvider(provider.name, capabilities, call));
  }

  /**
   * Closes the engine. Its worker lets the calls in flight finish for `graceMs` (default 25,000:
   * they may be paid already), and gives back the rest: another worker, or the next start, goes on.
   */
  async close({ graceMs = 25_000 }: { graceMs?: number } = {}): Promise<void> {
    await native(() => this.#native.close(graceMs));
  }

  /** `await using engine = await Engine.open()` closes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #call<T>(
    begin: (engine: NativeEngine) => Promise<string>,
    signal?: AbortSignal,
  ): Promise<T> {
    return JSON.parse(await abortable(signal, () => native(() => begin(this.#native)))) as T;
  }

  /** Waits for a run that may be new, or have failed or been stopped before. */
  async #finish(
    run: Run,
    signal: AbortSignal | undefined,
    onProgress: ((progress: Progress) => void) | undefined,
  ): Promise<Run> {
    if (run.state !== "completed") await this.resume(run.id);
    return this.#wait(run.id, signal, onProgress);
  }

  async #wait(
    runId: string,
    signal: AbortSignal | undefined,
    onProgress: ((progress: Progress) => void) | undefined,
  ): Promise<Run> {
    // Watched first: a watch can be left, and a native wait cannot.
    for await (const progress of this.watch(runId, { signal })) onProgress?.(progress);
    try {
      return await this.#call((engine) => engine.wait(runId));
    } catch (error) {
      throw this.#live.find(error) ?? error;
    }
  }
}

async function* pieces(reader: NativeReader): AsyncGenerator<Buffer, void, undefined> {
  for (;;) {
    const bytes = await native(() => reader.next());
    if (bytes == null) return;
    yield bytes;
  }
}

function spec(bookId: string, { recipe, options }: RunOptions): string {
  return JSON.stringify({ book_id: bookId, recipe, options });
}
