import { isAbsolute, join } from 'node:path';

const FOLDER = 'vector-batch-optimizer';
const FILE = 'history.db';

/** What a user says instead of a path to have no history. */
export const NO_HISTORY = 'none';

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
  readonly home: string;
}

/**
 * Where programs that are not told otherwise keep the user's history: `$XDG_DATA_HOME`, by default `~/.local/share`
 * (XDG Base Directory Specification 0.8); on macOS and Windows where their programs do.
 */
export function defaultHistoryPath({ env, platform, home }: Surroundings): string {
  const folder = (name: string, ...otherwise: string[]) => {
    const given = env[name];
    // The specification has relative paths ignored.
    return given && isAbsolute(given) ? given : join(home, ...otherwise);
  };
  if (platform === 'win32') return join(folder('LOCALAPPDATA', 'AppData', 'Local'), FOLDER, FILE);
  if (platform === 'darwin') return join(home, 'Library', 'Application Support', FOLDER, FILE);
  return join(folder('XDG_DATA_HOME', '.local', 'share'), FOLDER, FILE);
}
