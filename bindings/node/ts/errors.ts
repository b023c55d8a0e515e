/** What went wrong, as far as a caller acts on it. */
export type ErrorKind =
  | "invalid_input"
  | "unsupported"
  | "limit_exceeded"
  | "not_found"
  | "conflict"
  | "unauthenticated"
  | "permission_denied"
  | "rate_limited"
  | "quota_exhausted"
  | "timeout"
  | "unavailable"
  | "storage_full"
  | "cancelled"
  | "provider"
  | "corrupt"
  | "configuration"
  | "internal";

/**
 * Whether, and when, trying the same again can help: `never`; `backoff`, after a pause that grows;
 * `after` so many seconds; `ambiguous` where the call may have done its work (and cost its money)
 * although no answer came.
 */
export type Retry = "never" | "backoff" | "after" | "ambiguous";

/** Whether money was spent on the call that failed. */
export type Charge = "no" | "maybe" | "yes";

/** The facts of an error. */
export interface ErrorDetails {
  kind: ErrorKind;
  /** A sentence for the person who reads it. */
  message: string;
  /** The stable, finer case of the kind (`drm_protected`, `bad_options`); default the kind. */
  code?: string;
  /** Facts by name: an id, a path, a limit. */
  context?: Record<string, string>;
  retry?: Retry;
  /** Seconds to wait before trying again; with it, `retry` is `after`. */
  retryAfter?: number;
  /** Default `no`. */
  charge?: Charge;
  /** The error behind it. */
  cause?: unknown;
}

const RETRIED: readonly ErrorKind[] = ["rate_limited", "unavailable", "timeout"];

/** Any failure of litink. Each kind has a class of its own, so that `instanceof` tells them apart. */
export class LitinkError extends Error {
  /** What went wrong, as far as a caller acts on it. */
  readonly kind: ErrorKind;
  /** The stable, machine-readable case of the kind. */
  readonly code: string;
  /** Facts by name. */
  readonly context: Readonly<Record<string, string>>;
  /** Whether, and when, to try again. */
  readonly retry: Retry;
  /** Seconds to wait, where `retry` is `after`. */
  readonly retryAfter: number | undefined;
  /** Whether money was spent. */
  readonly charge: Charge;

  constructor(details: ErrorDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.kind = details.kind;
    this.code = details.code ?? details.kind;
    this.context = details.context ?? {};
    this.retryAfter = details.retryAfter;
    const usual = RETRIED.includes(details.kind) ? "backoff" : "never";
    this.retry = details.retryAfter === undefined ? (details.retry ?? usual) : "after";
    this.charge = details.charge ?? "no";
  }
}

/** What the caller gave cannot be used; change it. */
export class InvalidInputError extends LitinkError {}
/** The file is of a kind litink does not read, or a setting asks for what is not there. */
export class UnsupportedError extends LitinkError {}
/** Larger, deeper or longer than a limit that protects the machine. */
export class LimitExceededError extends LitinkError {}
/** There is no such thing. */
export class NotFoundError extends LitinkError {}
/** Somebody else changed it first, or it is in a state that does not allow this. */
export class ConflictError extends LitinkError {}
/** No valid credentials. */
export class UnauthenticatedError extends LitinkError {}
/** Valid credentials that do not allow this; or a file or folder that litink may not use. */
export class PermissionDeniedError extends LitinkError {}
/** Too many requests; `retryAfter` says when to come back. */
export class RateLimitedError extends LitinkError {}
/** The account's money or quota is used up; waiting does not help. */
export class QuotaExhaustedError extends LitinkError {}
/** It took too long. */
export class TimeoutError extends LitinkError {}
/** A server, a file or a program cannot be reached or is busy now. */
export class UnavailableError extends LitinkError {}
/** No room left on the disk, or none allowed. */
export class StorageFullError extends LitinkError {}
/** Somebody cancelled it. */
export class CancelledError extends LitinkError {}
/** Stored data is damaged. */
export class CorruptError extends LitinkError {}
/** The set-up is wrong: a missing program, a bad URL, an unknown key. */
export class ConfigurationError extends LitinkError {}
/** A defect of litink. Please report it. */
export class InternalError extends LitinkError {}

/**
 * A generation provider failed or answered nonsense.
 *
 * Providers throw it to say what the engine should do about it:
 * `throw new ProviderError({ kind: "rate_limited", retryAfter: 1.5 })`. Its message is stored with
 * the run, so it holds no secret and none of the book's text.
 */
export class ProviderError extends LitinkError {
  constructor(details: Partial<ErrorDetails> | string = {}) {
    const given = typeof details === "string" ? { message: details } : details;
    super({ kind: "provider", message: "the provider failed", ...given });
  }
}

/** The class of each kind. */
export const ERROR_CLASSES: Readonly<Record<ErrorKind, new (details: ErrorDetails) => LitinkError>> = {
  invalid_input: InvalidInputError,
  unsupported: UnsupportedError,
  limit_exceeded: LimitExceededError,
  not_found: NotFoundError,
  conflict: ConflictError,
  unauthenticated: UnauthenticatedError,
  permission_denied: PermissionDeniedError,
  rate_limited: RateLimitedError,
  quota_exhausted: QuotaExhaustedError,
  timeout: TimeoutError,
  unavailable: UnavailableError,
  storage_full: StorageFullError,
  cancelled: CancelledError,
  provider: ProviderError,
  corrupt: CorruptError,
  configuration: ConfigurationError,
  internal: InternalError,
};

/** The error of these details, of its kind's class; of a kind that is new, an `InternalError`. */
export function errorOf(details: ErrorDetails): LitinkError {
  const Class = ERROR_CLASSES[details.kind] ?? InternalError;
  return new Class(details);
}

/** An error of the native part, which says it in JSON. Every call of it goes through here. */
function fromNative(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  let told: ErrorDetails & { retry_after?: number | null };
  try {
    told = JSON.parse(error.message);
  } catch {
    // The bridge itself refused an argument: a number for a string, say.
    return new InvalidInputError({
      kind: "invalid_input",
      code: "bad_argument",
      message: error.message,
      cause: error,
    });
  }
  const { retry_after: retryAfter, ...details } = told;
  return errorOf({ ...details, ...(retryAfter == null ? {} : { retryAfter }) });
}

/** Awaits a call of the native part, its error made a `LitinkError`. */
export async function native<T>(call: () => T | Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw fromNative(error);
  }
}

/** A synchronous call of the native part. */
export function nativeSync<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw fromNative(error);
  }
}
