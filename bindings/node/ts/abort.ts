/** What can be aborted. */
export interface Abortable {
  /** Rejects with the signal's reason when aborted. */
  signal?: AbortSignal | undefined;
}

/**
 * Begins some work and waits for it until the signal is aborted. The work itself goes on to its end,
 * which is harmless: calls of the engine are made to be repeated.
 */
export async function abortable<T>(
  signal: AbortSignal | undefined,
  begin: () => Promise<T>,
): Promise<T> {
  if (!signal) return begin();
  signal.throwIfAborted();
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([begin(), aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
