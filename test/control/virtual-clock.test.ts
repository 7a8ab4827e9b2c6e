import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/control/virtual-clock.js';

describe('the virtual clock', () => {
  it('rings timers in the order of time, then of setting, and an hour takes no time', async () => {
    const clock = new VirtualClock();
    const rung: string[] = [];
    const at = async (ms: number, name: string) => {
      await clock.sleep(ms);
      rung.push(`${name}@${clock.now()}`);
    };
    await clock.run(Promise.all([at(3_600_000, 'hour'), at(5, 'a'), at(5, 'b'), at(0, 'now')]));
    expect(rung).toEqual(['now@0', 'a@5', 'b@5', 'hour@3600000']);
  });

  it('forgets a timer whose signal aborts', async () => {
    const clock = new VirtualClock();
    const abort = new AbortController();
    const sleeping = clock.sleep(1000, abort.signal).catch(() => 'woken');
    const waking = clock.sleep(10).then(() => abort.abort());
    expect(await clock.run(Promise.all([sleeping, waking]).then(([result]) => result))).toBe('woken');
    expect(clock.now()).toBe(10);
  });

  it('says so when nothing can ever happen again', async () => {
    await expect(new VirtualClock().run(new Promise(() => {}))).rejects.toMatchObject({
      code: 'VBO_ERR_INTERNAL',
    });
  });
});
