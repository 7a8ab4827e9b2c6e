import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import { type Logger, silentLogger } from '../core/logger.js';
import type { History } from '../history/history.js';
import { defaultHistoryPath, NO_HISTORY } from '../history/location.js';
import type { Invocation, OptionHelp } from './command.js';
import type { ProgressLine } from './progress-line.js';

const DEFAULT_PATH = defaultHistoryPath({ env: process.env, platform: process.platform, home: homedir() });

export const HISTORY_OPTION: OptionHelp = {
  name: 'history',
  value: 'FILE',
  text: `the records of loads and tunings; ${NO_HISTORY}: do without (default: VBO_HISTORY, else ${DEFAULT_PATH})`,
};

/** Warnings on stderr, whatever else is there. */
export const warnings = (line?: ProgressLine): Logger => ({
  ...silentLogger,
  warn: (_details, message) => {
    line?.clear();
    process.stderr.write(`vbo: warning: ${message}\n`);
  },
});

/**
 * The history that the user names, or has. The user's own is a convenience: if it cannot be opened that is a warning.
 * @param mode `read`: where there is no file yet, none is created
 * @throws VBO_ERR_HISTORY, or VBO_ERR_FILE_NOT_FOUND, about one that was named
 */
export async function openHistory(
  invocation: Invocation,
  mode: 'read' | 'write',
  logger: Logger,
): Promise<History | undefined> {
  const named = invocation.text('history');
  const asked = named || process.env.VBO_HISTORY || undefined;
  if (asked === NO_HISTORY) return undefined;
  const path = asked ?? DEFAULT_PATH;
  if (mode === 'read' && !existsSync(path)) {
    if (!named) return undefined;
    throw new VectorBatchError('VBO_ERR_FILE_NOT_FOUND', `There is no history ${path}.`);
  }
  // SQLite is only loaded where there is something for it to do.
  const { History } = await import('../history/history.js');
  try {
    return await History.open(path, { logger });
  } catch (error) {
    if (asked !== undefined) throw error;
    const { message } = toVectorBatchError(error, 'VBO_ERR_HISTORY', path);
    logger.warn({}, `${message}. Nothing is recorded; --history ${NO_HISTORY} says so.`);
    return undefined;
  }
}
