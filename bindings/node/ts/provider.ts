import { LitinkError } from "./errors.js";
import type { Charge, ErrorKind, Retry } from "./errors.js";
import type { Json, JsonObject } from "./data.js";
import type { Answer, Ask } from "./native.js";

/** Stored media that a request refers to. */
export interface MediaRef {
  key: string;
  content_hash: string;
  media_type: string;
}

/** Asks for text. */
export interface TextInput {
  modality: "text";
  /** What this is for: `summary`, `attribution`, ... */
  task: string | null;
  messages: { role: "system" | "user" | "assistant"; text: string }[];
  /** JSON schema that the text must fit. */
  schema: Json;
  max_output_tokens: number | null;
}

/** Asks for speech. */
export interface SpeechInput {
  modality: "speech";
  /** What to say, word for word; paragraphs are separated by an empty line. */
  text: string;
  /** The voice's id; null for the provider's first. */
  voice: string | null;
  /** BCP 47 tag of the text. */
  language: string | null;
  /** How to say it, in words. */
  style: string | null;
  /** 1 is the voice's own pace; 0.25 to 4. */
  speed: number | null;
  /** The ranges of the sentences in `text`, in bytes of its UTF-8. */
  sentences: [number, number][];
  /** No word may be another one. */
  verbatim: boolean;
}

/** Asks for an image. */
export interface ImageInput {
  modality: "image";
  prompt: string;
  title: string | null;
  style: string | null;
  aspect: "landscape" | "square" | "portrait" | "cover";
  references: MediaRef[];
  base: MediaRef | null;
  mask: MediaRef | null;
  seed: number | null;
  transparent: boolean;
}

/** Asks for a film. */
export interface VideoInput {
  modality: "video";
  prompt: string;
  aspect: ImageInput["aspect"];
  duration_ms: number | null;
  first_frame: MediaRef | null;
}

/** Asks for a transcript. */
export interface TranscriptionInput {
  modality: "transcription";
  audio: MediaRef;
  language: string | null;
}

/** Asks for vectors. */
export interface EmbeddingInput {
  modality: "embedding";
  texts: string[];
  dimensions: number | null;
}

/** Asks for music or a sound effect. */
export interface SoundInput {
  modality: "sound";
  kind: "music" | "effect";
  prompt: string;
  duration_ms: number | null;
}

/** What to make. */
export type Input =
  | TextInput
  | SpeechInput
  | ImageInput
  | VideoInput
  | TranscriptionInput
  | EmbeddingInput
  | SoundInput;

/** What is asked of a provider. Book text in it is data: never instructions, never logged. */
export interface Request {
  /** The model, as the provider names it; null for its own choice. */
  model: string | null;
  input: Input;
  /** Another take of the same; absent for the first. */
  variant?: number;
  /** Settings that only this provider knows. */
  provider_options?: JsonObject;
}

/** The circumstances of a call. */
export interface CallContext {
  /** Aborted when the run is cancelled or the engine is closed. Give it to `fetch`. */
  signal: AbortSignal;
  /** Send it as the idempotency key where the vendor has one. */
  generation: string;
  /** 1 for the first call. */
  attempt: number;
}

/** When a stretch of text is spoken. */
export interface SpeechMark {
  /** The stretch in the text, in bytes of its UTF-8. */
  text_start: number;
  text_end: number;
  start_ms: number;
  end_ms: number;
}

/** What a call used. What is not reported is left out, never 0. */
export interface Usage {
  input_tokens?: number;
  cached_input_tokens?: number;
  cache_write_tokens?: number;
  input_image_tokens?: number;
  output_tokens?: number;
  reasoning_tokens?: number;
  input_chars?: number;
  input_ms?: number;
  output_ms?: number;
  images?: number;
}

/** What every finished reply may say besides. */
export interface ReplyDetails {
  /** The model that made it, as the vendor names it. */
  model?: string;
  usage?: Usage;
  /** Billionths of a US dollar, as the vendor reports it. */
  costNanos?: number;
  /** Settings that were not honoured. */
  warnings?: string[];
  /** The vendor's own id of the request. */
  requestId?: string;
}

/** Speech: WAV, MP3 or FLAC. */
export interface SpeechReply extends ReplyDetails {
  kind: "speech";
  audio: Uint8Array;
  mediaType: string;
  /** When each stretch of the text is spoken, if the provider knows. */
  marks?: SpeechMark[];
}

/** Text. */
export interface TextReply extends ReplyDetails {
  kind: "text";
  text: string;
}

/** An image: PNG, JPEG or WebP. */
export interface ImageReply extends ReplyDetails {
  kind: "image";
  image: Uint8Array;
  mediaType: string;
}

/** A film: MP4. */
export interface VideoReply extends ReplyDetails {
  kind: "video";
  video: Uint8Array;
  mediaType: string;
}

/** A transcript. */
export interface TranscriptionReply extends ReplyDetails {
  kind: "transcription";
  text: string;
  marks?: SpeechMark[];
}

/** Vectors, one for each text. */
export interface EmbeddingReply extends ReplyDetails {
  kind: "embedding";
  vectors: number[][];
}

/** Music or a sound effect. */
export interface SoundReply extends ReplyDetails {
  kind: "sound";
  audio: Uint8Array;
  mediaType: string;
}

/** The vendor works on it: stored before it is first polled, so that a crash resumes the work. */
export interface PendingReply {
  kind: "pending";
  /** The vendor's id. */
  id: string;
  /** Whatever else the provider needs to find it again. */
  state?: Json;
  /** Ask again not before so many milliseconds have passed. Default 5,000. */
  pollAfterMs?: number;
  /** 0 to 1. */
  progress?: number;
}

/** What a call gives. */
export type Reply =
  | SpeechReply
  | TextReply
  | ImageReply
  | VideoReply
  | TranscriptionReply
  | EmbeddingReply
  | SoundReply
  | PendingReply;

/** A handle of work that goes on at the vendor's. */
export interface Operation {
  id: string;
  state: Json;
  poll_after_ms: number;
  progress: number | null;
}

/** A voice. */
export interface Voice {
  id: string;
  name: string;
  /** BCP 47 tags; none for any. */
  languages?: string[];
  gender?: "female" | "male" | "neutral" | null;
}

/** What a provider can do, as data. What is left out is not asked for. */
export interface Capabilities {
  text?: { max_input_chars?: number; json_schema?: boolean } | null;
  speech?: { max_input_chars?: number; voices?: Voice[]; marks?: boolean } | null;
  image?: { references?: boolean } | null;
  /** Other modalities that it serves. */
  others?: Input["modality"][];
  /** Calls that may run at once in one process; more wait. Default 64. */
  max_concurrency?: number;
  /** What it makes is a draft to show the pipeline with. */
  draft?: boolean;
  /** What to do when a call's outcome is not known. */
  on_ambiguous?: "resend" | "hold" | null;
}

/**
 * A source of generated media.
 *
 * - No retries inside: the engine retries, by what the thrown `ProviderError` says.
 * - Any other exception fails the call. Its message is not stored (it may hold anything), but whoever
 *   waits for the run in this process gets the very object.
 */
export interface Provider {
  /** The name under which it is registered, stored with each generation. */
  readonly name: string;
  readonly capabilities: Capabilities;
  /** Makes one thing, or begins to. */
  generate(request: Request, context: CallContext): Reply | Promise<Reply>;
  /** Asks how an operation stands. For providers that reply `pending`. */
  poll?(operation: Operation, context: CallContext): Reply | Promise<Reply>;
  /** Asks the vendor to stop an operation. One that is over is no error. */
  cancel?(operation: Operation, context: CallContext): void | Promise<void>;
}

/** A registered provider, as listed. */
export interface ProviderInfo {
  name: string;
  capabilities: Capabilities;
}

/** What is kept of them: more than any engine has in flight. */
const MAX_LIVE_ERRORS = 1_000;

/** What providers threw in this process, by generation: rows hold only kind, code and message. */
export class LiveErrors {
  readonly #thrown = new Map<string, unknown>();

  set(generation: string, error: unknown): void {
    this.#thrown.delete(generation);
    this.#thrown.set(generation, error);
    const oldest = this.#thrown.keys().next();
    if (this.#thrown.size > MAX_LIVE_ERRORS && !oldest.done) this.#thrown.delete(oldest.value);
  }

  delete(generation: string): void {
    this.#thrown.delete(generation);
  }

  /** The error that this one of the engine came from, if it was thrown here. */
  find(error: unknown): unknown {
    const generation = error instanceof LitinkError ? error.context["generation"] : undefined;
    return generation === undefined ? undefined : this.#thrown.get(generation);
  }
}

/** The function that the native part calls for a provider. It never rejects. */
export function bridge(provider: Provider, live: LiveErrors): (ask: Ask) => Promise<Answer> {
  const calls = new Map<number, AbortController>();
  return async (ask) => {
    if (ask.method === "abort") {
      calls.get(ask.id)?.abort();
      return { told: "" };
    }
    const controller = new AbortController();
    calls.set(ask.id, controller);
    try {
      const answer = await call(provider, ask, controller.signal);
      live.delete(ask.generation);
      return answer;
    } catch (error) {
      if (!controller.signal.aborted) live.set(ask.generation, error);
      return { told: JSON.stringify(thrown(error)) };
    } finally {
      calls.delete(ask.id);
    }
  };
}

async function call(provider: Provider, ask: Ask, signal: AbortSignal): Promise<Answer> {
  const context = { signal, generation: ask.generation, attempt: ask.attempt };
  const input = JSON.parse(ask.input);
  switch (ask.method) {
    case "generate":
      return answer(await provider.generate(input, context));
    case "poll":
      if (!provider.poll) throw new TypeError("a provider that replies `pending` has a `poll`");
      return answer(await provider.poll(input, context));
    default:
      await provider.cancel?.(input, context);
      return { told: JSON.stringify({ kind: "stopped" }) };
  }
}

function answer(reply: Reply): Answer {
  const { audio, image, video, mediaType, costNanos, requestId, pollAfterMs, ...rest } = {
    ...reply,
  } as Record<string, unknown>;
  const told = {
    ...rest,
    media_type: mediaType,
    cost_nanos: costNanos,
    request_id: requestId,
    poll_after_ms: pollAfterMs,
  };
  const media = audio ?? image ?? video;
  if (media === undefined) return { told: JSON.stringify(told) };
  if (!(media instanceof Uint8Array)) throw new TypeError("media is a Buffer or a Uint8Array");
  const { buffer, byteOffset, byteLength } = media;
  return { told: JSON.stringify(told), media: Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength) };
}

interface Thrown {
  kind: "thrown";
  error: {
    kind: ErrorKind;
    code: string;
    message: string;
    retry?: Retry;
    retry_after?: number;
    charge: Charge;
  };
}

function thrown(error: unknown): Thrown {
  if (error instanceof LitinkError) {
    const { kind, code, message, retry, retryAfter, charge } = error;
    const after = retryAfter === undefined ? {} : { retry_after: retryAfter };
    return { kind: "thrown", error: { kind, code, message, retry, ...after, charge } };
  }
  const name = error instanceof Error ? error.name : typeof error;
  const message = `the provider threw ${/^\w{1,64}$/.test(name) ? name : "an error"}`;
  return {
    kind: "thrown",
    error: { kind: "provider", code: "provider_exception", message, charge: "maybe" },
  };
}
