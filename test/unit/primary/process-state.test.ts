import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lookAtThread } from '../../../src/primary/process-state.js';
import { until } from '../../helpers/until.js';

describe('What the system knows of a thread', () => {
  it('is its processor time, and how long it had to wait for it', async () => {
    const burners = Array.from({ length: 6 }, () =>
      spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
    );
    try {
      const { pid } = burners[0]!;
      const sight = await until('it has waited', () => {
        const now = lookAtThread(pid!);
        return now !== null && now.cpuMs > 0 && (now.waitedMs ?? 0) > 20 ? now : null;
      });
      expect(sight.stopped).to.equal(false);
      process.kill(pid!, 'SIGSTOP');
      await until('it is stopped', () => lookAtThread(pid!)?.stopped);
    } finally {
      for (const burner of burners) burner.kill('SIGKILL');
      await Promise.all(burners.map((burner) => once(burner, 'exit')));
    }
  });

  it('is nothing where there is no such process', () => {
    expect(lookAtThread(2 ** 30)).to.equal(null);
  });
});
