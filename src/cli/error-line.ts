import type { ErrorCode } from '../core/errors.js';

/** What to do, for codes whose messages say only what happened. */
const ADVICE: Partial<Record<ErrorCode, string>> = {
  VBO_ERR_SINK_UNREACHABLE: 'Check that the database is running and that the URL is right.',
};

/** An error for a person, in one line: its code, what happened, and what to do. */
export function errorLine({ code, message }: { code: ErrorCode; message: string }, more = ''): string {
  const advice = ADVICE[code];
  const what = message.replace(/\s*\n\s*/g, ' ').trim();
  return `vbo: ${code}: ${advice ? `${what.replace(/\.$/, '')}. ${advice}` : what}${more}\n`;
}
