import { PassThrough } from 'node:stream';
import { expect } from 'chai';
import fc from 'fast-check';
import {
  RepeatLimiter,
  REPEATS_PER_WINDOW,
  WINDOW_MS,
} from '../../../src/shared/log/repeat-limiter.js';
import type { LogRecord } from '../../../src/shared/log/render.js';
import { createLogger } from '../../../src/shared/log/winston-logger.js';

const line = (
  time: number,
  fields: object = {},
  level: LogRecord['level'] = 'warn',
): LogRecord => ({
  ...{ time, level, message: 'engine fault' },
  fields: { ...fields },
});

describe('the limiter of repeated lines', () => {
  it('lets the first of a minute through and counts the rest in one line', () => {
    const limiter = new RepeatLimiter();
    const written = Array.from({ length: 50 }, (_, at) => limiter.pass(line(at))).flat();
    expect(written).to.have.length(REPEATS_PER_WINDOW);
    const [count, next] = limiter.pass(line(WINDOW_MS));
    expect(count?.fields).to.deep.equal({ repeated: 50 - REPEATS_PER_WINDOW });
    expect(next).to.deep.equal(line(WINDOW_MS));
  });

  it('goes on when the clock of the system is set back', () => {
    const limiter = new RepeatLimiter();
    const now = 10 * WINDOW_MS;
    for (let at = 0; at < 50; at += 1) limiter.pass(line(now + at));
    const [count, next] = limiter.pass(line(1));
    expect(count?.fields).to.deep.equal({ repeated: 50 - REPEATS_PER_WINDOW });
    expect(next).to.deep.equal(line(1));
    for (let at = 0; at < 50; at += 1) limiter.pass(line(now + at));
    expect(limiter.flush(1)).to.have.length(1);
  });

  it('keeps streams, codes and levels apart, and never withholds information', () => {
    const limiter = new RepeatLimiter();
    const kinds = [{ stream: 'a' }, { stream: 'b' }, { code: 'X' }, { error: { code: 'Y' } }];
    for (const fields of [...kinds, { reason: 'stall' }]) {
      for (let at = 0; at < REPEATS_PER_WINDOW; at += 1) {
        expect(limiter.pass(line(at, fields))).to.have.length(1);
      }
      expect(limiter.pass(line(20, fields))).to.deep.equal([]);
    }
    expect(limiter.pass(line(21, { stream: 'a' }, 'error'))).to.have.length(1);
    for (let at = 0; at < 100; at += 1) {
      expect(limiter.pass(line(at, { stream: 'a' }, 'info'))).to.have.length(1);
    }
  });

  it('keeps the addresses of refused tries apart: one that guesses does not hide another', () => {
    const limiter = new RepeatLimiter();
    const refused = (at: number, ip: string): LogRecord => line(at, { code: 'FORBIDDEN', ip });
    for (let at = 0; at < 50; at += 1) limiter.pass(refused(at, '192.0.2.1'));
    expect(limiter.pass(refused(50, '192.0.2.2'))).to.have.length(1);
  });

  it('loses no line without counting it, in whatever order they come', () => {
    const steps = fc.array(fc.record({ after: fc.nat(20_000), stream: fc.nat(3) }), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(steps, (all) => {
        const limiter = new RepeatLimiter();
        let now = 0;
        const out = all.flatMap(({ after, stream }) => {
          now += after;
          return limiter.pass(line(now, { stream: String(stream) }));
        });
        out.push(...limiter.flush(Infinity));
        const told = out.map(({ fields }) => Number(fields['repeated'] ?? 1));
        expect(told.reduce((sum, count) => sum + count, 0)).to.equal(all.length);
      }),
    );
  });

  it('tells the count when the log is closed, at the latest', async () => {
    const written: string[] = [];
    const out = new PassThrough().on('data', (bytes: Buffer) => written.push(bytes.toString()));
    const logger = createLogger({ level: 'info', format: 'json' }, { worker: 'w' }, out);
    const child = logger.child({ stream: 's', term: 3 });
    for (let at = 0; at < 30; at += 1) child.warn('engine fault', { reason: 'stall' });
    await logger.close();
    const lines = written.join('').trim().split('\n');
    expect(lines).to.have.length(REPEATS_PER_WINDOW + 1);
    expect(JSON.parse(lines.at(-1) ?? '')).to.include({
      ...{ message: 'engine fault', worker: 'w', stream: 's', term: 3 },
      ...{ reason: 'stall', repeated: 30 - REPEATS_PER_WINDOW },
    });
  });
});
