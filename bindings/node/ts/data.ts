// The engine's JSON, letter by letter: what the HTTP interface, the command line and the other
// languages speak too. Hence its snake_case.

import type { Charge, ErrorKind } from "./errors.js";

/** Any JSON. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A JSON object. */
export type JsonObject = { [key: string]: Json };

/** What every stored thing has. */
export interface Row {
  /** UUID. */
  id: string;
  owner: string;
  /** 1 when inserted, one more at each change. */
  version: number;
  /** RFC 3339, UTC. */
  created_at: string;
  updated_at: string;
}

/** Something that a person should know about a result. */
export interface Warning {
  code: string;
  message: string;
}

/** A book that was imported. The same file is the same book, with the same id. */
export interface Book extends Row {
  state: "ready";
  title: string;
  authors: string[];
  /** BCP 47: the book's own, or detected. */
  language: string | null;
  identifier: string | null;
  publisher: string | null;
  published: string | null;
  description: string | null;
  /** What the file was read as: `epub`, `text`, ... */
  format: string;
  file_name: string;
  file_key: string;
  file_bytes: number;
  /** BLAKE3 of the file, in hexadecimal. */
  content_hash: string;
  cover_key: string | null;
  chapter_count: number;
  char_count: number;
  warnings: Warning[];
  /** All identifiers that the book declares. */
  identifiers: Identifier[];
  /** The series it belongs to. */
  series: Series | null;
  /** How title, authors, language and chapters were found, and how sure that is. */
  decisions: Decision[];
}

/** One of the names by which catalogues know a book. */
export interface Identifier {
  /** `isbn`, `doi`, `uuid`, `url`, ...; left out where nothing says. */
  scheme?: string;
  value: string;
}

/** A series of books. */
export interface Series {
  name: string;
  /** The book's place in it, as declared: `3`, `2.5`. */
  position?: string;
}

/** One thing that an import decided. */
export interface Decision {
  /** `format`, `title`, `authors`, `language` or `chapters`. */
  code: string;
  /** By what: `declared`, `navigation`, `headings`, `detected`, `length`, ... */
  method: string;
  /** From 0 (a guess) to 1 (the book says so itself). */
  confidence: number;
  message: string;
}

/** What an import gave. */
export interface Imported {
  book: Book;
  /** The same file had been imported before, and nothing was done now. */
  existing: boolean;
}

/**
 * One change of a book's structure. A chapter that no edit names keeps its id, number and text,
 * and with them what was generated for it.
 */
export type Edit =
  /** Says what the book is; what is left out stays. */
  | { op: "describe"; title?: string; authors?: readonly string[]; language?: string }
  /** Gives a chapter another title, or none. */
  | { op: "rename"; chapter: string; title: string | null }
  /** Says what a chapter is. What is no chapter has no number. */
  | { op: "reclassify"; chapter: string; kind: Chapter["kind"] }
  /** Gives a chapter another number, from 1, or none. */
  | { op: "number"; chapter: string; number: number | null }
  /** Numbers everything of kind `chapter` from 1, in order. */
  | { op: "renumber" }
  /** Says in which part, act or volume a chapter stands, or in none. */
  | { op: "section"; chapter: string; section: string | null }
  /** Puts a chapter at another position, from 0. */
  | { op: "move"; chapter: string; to: number }
  /**
   * Makes one chapter of several that follow each other: the first, longer. The titles of the
   * others become headings in its text.
   */
  | { op: "merge"; chapters: readonly string[] }
  /**
   * Cuts a chapter in two before one of its blocks, from 1. Without a title, a heading that the
   * second part begins with becomes its title.
   */
  | { op: "split"; chapter: string; block: number; title?: string | null };

/** A book after it was changed. */
export interface Edited {
  /** At its new version. */
  book: Book;
  /** In order, without their text. */
  chapters: Chapter[];
}

/** A block of a chapter's text. */
export interface Block {
  kind:
    | "paragraph"
    | "heading"
    | "quote"
    | "verse"
    | "list_item"
    | "table"
    | "scene_break"
    | "image"
    | "footnote"
    | "preformatted";
  text: string;
  /** What stands out in it; left out where nothing does. */
  spans?: Span[];
  /** Where it came from; left out where nobody knows. */
  anchor?: Anchor;
}

/** A stretch of a block's text that stands out. */
export interface Span {
  /** In bytes of the text in UTF-8: of a `Buffer`, not of a string. */
  start: number;
  /** Behind its last byte. */
  end: number;
  style: "emphasis" | "strong";
}

/** Where a block starts in the original file. What a format does not know is left out. */
export interface Anchor {
  /** From 1. */
  page?: number;
  /** The document inside an archive. */
  path?: string;
  /** The id of the element that starts here. */
  fragment?: string;
  /** Bytes of the document before the block. */
  offset?: number;
}

/** A chapter, or a piece of the front or back matter. */
export interface Chapter extends Row {
  book_id: string;
  /** From 0, front and back matter included. */
  position: number;
  kind: "chapter" | "front_matter" | "back_matter";
  /** From 1; null unless it is a chapter. */
  number: number | null;
  title: string | null;
  section: string | null;
  char_count: number;
  /** The text; empty where it was left out. */
  blocks: Block[];
}

/** One page of a list. */
export interface Page<T> {
  items: T[];
  /** What to give as `after` for the next page; null at the end. */
  next: string | null;
}

/** A kind of file that the audiobook recipe makes. */
export type OutputFormat = "m4b" | "mp3" | "flac" | "wav" | "vtt" | "srt";

/** The options of the recipe `audiobook`. Everything has a default. */
export interface AudiobookOptions {
  /** Who speaks: a registered provider. Default `local`, the draft that needs no key. */
  provider?: string;
  model?: string | null;
  voice?: string | null;
  /** BCP 47 tag of the text; default the book's. */
  language?: string | null;
  /** How to speak, in words. */
  style?: string | null;
  /** 1 is the voice's own pace; 0.25 to 4. */
  speed?: number | null;
  /** Numbers, dates, units and abbreviations in words before they are spoken. Default no. */
  normalise?: boolean;
  /** Which of the narrated chapters, from 1: `1-3,5`. Default all. */
  chapters?: string | null;
  /** Default `chapters`; `all` for front and back matter, too. */
  include?: "chapters" | "all";
  /** Whether each chapter begins with its title. Default yes. */
  titles?: boolean;
  /** Default `m4b`, `vtt`, `srt`. */
  formats?: OutputFormat[];
  /** Of M4B and MP3, 16 to 320. Default 64 (M4B) and 80 (MP3). */
  bitrate_kbps?: number | null;
}

/** The options of a recipe. */
export type RecipeOptions = AudiobookOptions | JsonObject;

/** One step of a plan. */
export interface PlannedStep {
  /** Unique in the plan (`speak/0003/0007`). */
  key: string;
  kind: string;
  after: string[];
  chapter_id: string | null;
  weight: number;
  input: Json;
}

/** What a run would do. */
export interface Plan {
  steps: PlannedStep[];
  /** Calls of the provider. */
  calls: number;
  /** Characters that the provider is given. */
  characters: number;
}

/** Why a run failed, as stored. */
export interface Failure {
  kind: ErrorKind;
  code: string;
  message: string;
  charge: Charge;
}

/** Where a run stands. */
export type RunState = "running" | "completed" | "failed" | "cancelled";

/** One making of a recipe from a book. */
export interface Run extends Row {
  book_id: string;
  state: RunState;
  recipe: string;
  /** Complete: defaults filled in when the run was made. */
  options: JsonObject;
  idempotency_key: string | null;
  step_count: number;
  error: Failure | null;
  finished_at: string | null;
}

/** How far a run is. */
export interface Progress {
  run_id: string;
  state: RunState;
  /** Rises with every change. */
  revision: number;
  /** 0 to 1; 1 exactly when everything is made. */
  fraction: number;
  steps_completed: number;
  steps_total: number;
  /** Speech made so far. */
  audio_ms: number;
  chapters: { chapter_id: string; fraction: number; audio_ms: number }[];
  error: Failure | null;
}

/** One finished file of a run. */
export interface Export extends Row {
  run_id: string;
  position: number;
  format: string;
  /** The name under which to save it. */
  file_name: string;
  media_type: string;
  storage_key: string;
  bytes: number;
  /** BLAKE3 of its bytes, in hexadecimal. */
  content_hash: string;
  duration_ms: number | null;
}

/** Settings of an engine, by their names in `litink.toml`. */
export interface Settings {
  /** The ffmpeg program. Default: the first on `PATH`. */
  ffmpeg?: string;
  /** How long a worker's jobs stay its own when it is not heard of. Default 15. */
  lease_s?: number;
  /** Steps in flight at once. Default 256. */
  concurrency?: number;
  /** A provider's call is given up after this. Default 600. */
  call_timeout_s?: number;
  /** Executions of a step that may fail before its run does. Default 5. */
  max_attempts?: number;
  /** The largest book file. */
  max_file_bytes?: number;
  /** Where rows are kept: `sqlite://`, `memory://`. Default: in the data folder. */
  database_url?: string;
  /** Where bytes are kept: `file://`, `s3://`, `memory://`. Default: in the data folder. */
  storage_url?: string;
  /** Where jobs are kept: `sqlite://`, `memory://`. Default: in the database. */
  queue_url?: string;
  /** Where values are kept that may be forgotten. Default `memory://`. */
  cache_url?: string;
  /** How hints travel. Default `memory://`. */
  events_url?: string;
}
