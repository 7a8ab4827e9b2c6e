import { join } from 'node:path';
import { expect, it } from 'vitest';
import { defaultHistoryPath } from '../../src/history/location.js';

const at = (platform: NodeJS.Platform, env: Record<string, string> = {}) =>
  defaultHistoryPath({ env, platform, home: '/home/ada' });
const file = (...folders: string[]) => join(...folders, 'vector-batch-optimizer', 'history.db');

it('a user’s history is where the system keeps users’ data', () => {
  expect(at('linux')).toBe(file('/home/ada/.local/share'));
  expect(at('linux', { XDG_DATA_HOME: '/data' })).toBe(file('/data'));
  expect(at('linux', { XDG_DATA_HOME: 'relative' })).toBe(file('/home/ada/.local/share'));
  expect(at('linux', { XDG_DATA_HOME: '' })).toBe(file('/home/ada/.local/share'));
  expect(at('darwin', { XDG_DATA_HOME: '/data' })).toBe(file('/home/ada/Library/Application Support'));
  expect(at('win32', { LOCALAPPDATA: '/local' })).toBe(file('/local'));
});
