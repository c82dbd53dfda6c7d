import { expect } from 'chai';

import { ignoredChanges, mergeSettings, Reloader } from '../../../src/primary/reload.js';
import type { Replaceable } from '../../../src/primary/reload.js';
import { silentLogger } from '../../helpers/silent-logger.js';
import { testSettings } from '../../helpers/settings.js';

describe('reload', () => {
  it('keeps what the primary lives by, names what differs, and takes the rest', () => {
    const running = testSettings({ port: 1 });
    const wanted = testSettings({ port: 2, graceMs: 1, workers: 9 });
    expect(ignoredChanges(running, wanted)).to.deep.equal(['port']);
    expect(mergeSettings(running, wanted)).to.deep.equal({ ...wanted, port: 1 });
  });

  it('replaces slot after slot, then adds or removes', async () => {
    const { reloader, calls } = setUp({ slots: 2, wanted: 4 });
    await reloader.reload();
    expect(calls).to.deep.equal(['generation', 'replace 0', 'replace 1', 'add', 'add']);
    const less = setUp({ slots: 3, wanted: 1 });
    await less.reloader.reload();
    expect(less.calls).to.deep.equal(['generation', 'replace 0', 'remove', 'remove']);
  });

  it('stops at the first successor that fails', async () => {
    const { reloader, calls } = setUp({ slots: 3, wanted: 3, failAt: 1 });
    await reloader.reload();
    expect(calls).to.deep.equal(['generation', 'replace 0', 'replace 1']);
  });

  it('touches nothing when the configuration is bad', async () => {
    const { reloader, calls } = setUp({ slots: 1, wanted: 1, bad: true });
    await reloader.reload();
    expect(calls).to.deep.equal([]);
  });

  it('runs once more for all signals that come while it runs', async () => {
    const { reloader, calls } = setUp({ slots: 1, wanted: 1 });
    await Promise.all([reloader.reload(), reloader.reload(), reloader.reload()]);
    expect(calls.filter((call) => call === 'replace 0')).to.have.length(2);
  });
});

interface Case {
  readonly slots: number;
  readonly wanted: number;
  readonly failAt?: number;
  readonly bad?: boolean;
}

function setUp({ slots, wanted, failAt, bad }: Case): { reloader: Reloader; calls: string[] } {
  const calls: string[] = [];
  let count = slots;
  const workers: Replaceable = {
    get slotCount() {
      return count;
    },
    stopping: false,
    beginGeneration: () => calls.push('generation'),
    replace: async (index) => {
      calls.push(`replace ${String(index)}`);
      await new Promise(setImmediate);
      return index !== failAt;
    },
    addSlot: () => {
      calls.push('add');
      count += 1;
    },
    removeSlot: () => {
      calls.push('remove');
      count -= 1;
    },
  };
  const readInputs = () => {
    if (bad === true) throw new Error('bad');
    return {
      settings: testSettings({ workers: wanted }),
      apiKey: 'k',
      apiKeyConfigured: true,
    };
  };
  return { reloader: new Reloader({ workers, readInputs, log: silentLogger }), calls };
}
