/**
 * Runs `work` with a signal that SIGINT and SIGTERM abort; a second SIGINT ends the process at once, as it would
 * without us.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const abort = () => {
    process.removeListener('SIGINT', abort);
    process.removeListener('SIGTERM', abort);
    controller.abort(new Error('interrupted'));
  };
  process.on('SIGINT', abort);
  process.on('SIGTERM', abort);
  try {
    return await work(controller.signal);
  } finally {
    process.removeListener('SIGINT', abort);
    process.removeListener('SIGTERM', abort);
  }
}
