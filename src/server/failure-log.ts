/** Tells of what went wrong inside, and is nobody's request: a line of JSON on stderr. */
export function logFailure(message: string, error: unknown, requestId?: string): void {
  const { name, message: reason, stack, code } = error as NodeJS.ErrnoException;
  const failure = { name, code, message: reason ?? String(error), stack };
  const line = {
    time: new Date().toISOString(),
    level: 'error',
    message,
    request: requestId,
    error: failure,
  };
  process.stderr.write(`${JSON.stringify(line)}\n`);
}
