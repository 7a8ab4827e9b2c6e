import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ModelFile } from '../../src/learning/model-file.js';
import { PerformanceModel } from '../../src/model/performance.js';
import { clockAt, NOW, recordsAt, scratchFolder, warningLogger } from '../history/support.js';

const folder = scratchFolder();

function trained() {
  const model = new PerformanceModel();
  model.train(recordsAt(20));
  return { state: model.toJSON(), seen: { count: 20, newestId: 20 } };
}

function fileAt(path: string) {
  const logger = warningLogger();
  return { file: new ModelFile(path, { logger, clock: clockAt(NOW) }), logger };
}

it('a model comes back as it was', async () => {
  const { file, logger } = fileAt(folder.file('m.json'));
  expect(await file.load()).toBeUndefined();
  await file.save(trained());
  expect(await file.load()).toEqual(JSON.parse(JSON.stringify(trained())));
  expect(logger.warnings).toEqual([]);
  expect(readdirSync(folder.path)).toEqual(['m.json']);
});

it.each([
  ['cut short', (text: string) => text.slice(0, -20)],
  ['changed', (text: string) => text.replace('20', '21')],
  ['empty', () => ''],
  ['something else', () => '{"version":1}'],
])('a file that is %s is set aside with a warning', async (_, damage) => {
  const path = folder.file('m.json');
  const { file, logger } = fileAt(path);
  await file.save(trained());
  const damaged = damage(readFileSync(path, 'utf8'));
  writeFileSync(path, damaged);
  expect(await file.load()).toBeUndefined();
  const moved = `${path}.damaged-20260601T000000_000Z`;
  expect(readFileSync(moved, 'utf8')).toBe(damaged);
  expect(logger.warnings).toEqual([expect.stringContaining(moved)]);
  expect(await file.load()).toBeUndefined();
  await file.save(trained());
  expect(await file.load()).toBeDefined();
});

it('a whole file of another version is passed over, and left until a new one is written', async () => {
  const path = folder.file('m.json');
  const { file, logger } = fileAt(path);
  await file.save(trained());
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), version: 99 }));
  expect(await file.load()).toBeUndefined();
  expect(logger.warnings).toEqual([]);
  expect(readdirSync(folder.path)).toEqual(['m.json']);
});

it('a place that cannot be written or read is a warning', async () => {
  mkdirSync(folder.file('m.json'));
  const { file, logger } = fileAt(folder.file('m.json'));
  await file.save(trained());
  expect(await file.load()).toBeUndefined();
  expect(logger.warnings).toEqual([
    expect.stringContaining('cannot be written'),
    expect.stringContaining('cannot be read'),
  ]);
  expect(readdirSync(folder.path)).toEqual(['m.json']);
});
