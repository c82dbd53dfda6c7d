import { spawnSync } from 'node:child_process';
import type { SpawnSyncReturns, StdioOptions } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

import { expect } from 'chai';

import type { LogLevel } from '../../../src/shared/config/settings.js';
import { createLogger } from '../../../src/shared/log/winston-logger.js';
import type { ClosableLogger } from '../../../src/shared/log/winston-logger.js';

class Sink extends Writable {
  text = '';
  readonly #delayMs: number;

  constructor(delayMs = 0) {
    super();
    this.#delayMs = delayMs;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    setTimeout(() => {
      this.text += chunk.toString();
      done();
    }, this.#delayMs);
  }

  get lines(): Record<string, unknown>[] {
    return this.text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}

function logTo(sink: Sink, level: LogLevel = 'info'): ClosableLogger {
  return createLogger({ level, format: 'json' }, { worker: 'w' }, sink);
}

const MODULE = new URL('../../../src/shared/log/winston-logger.ts', import.meta.url);

function run(script: string, stdout: number | 'pipe'): SpawnSyncReturns<string> {
  const argv = ['--import', 'tsx', '--input-type=module', '--eval', script];
  const stdio: StdioOptions = ['ignore', stdout, 'pipe'];
  return spawnSync(process.execPath, argv, { encoding: 'utf8', maxBuffer: 10_000_000, stdio });
}

describe('createLogger', () => {
  it('writes one line a call, with the fields of logger, child and call', async () => {
    const sink = new Sink();
    const logger = logTo(sink);
    logger.child({ stream: 's', term: 1 }).warn('gap', { term: 2 });
    await logger.close();
    expect(sink.lines).to.have.length(1);
    expect(sink.lines[0]).to.deep.include({
      level: 'warn',
      message: 'gap',
      worker: 'w',
      stream: 's',
      term: 2,
    });
  });

  it('leaves out what is less important than its level', async () => {
    for (const [level, expected] of [
      ['error', ['e']],
      ['info', ['e', 'w', 'i']],
      ['debug', ['e', 'w', 'i', 'd']],
    ] as const) {
      const sink = new Sink();
      const logger = logTo(sink, level);
      expect(logger.debugEnabled).to.equal(level === 'debug');
      logger.error('e');
      logger.warn('w');
      logger.info('i');
      logger.debug('d');
      await logger.close();
      expect(sink.lines.map(({ message }) => message)).to.deep.equal(expected);
    }
  });

  it('has every line written when close resolves, also on a slow destination', async () => {
    const sink = new Sink(1);
    const logger = logTo(sink);
    for (let at = 0; at < 200; at += 1) logger.info(`line ${String(at)}`);
    await logger.close();
    expect(sink.lines).to.have.length(200);
  });

  it('drops lines after close, and close may be called twice', async () => {
    const sink = new Sink();
    const logger = logTo(sink);
    const child = logger.child({});
    await logger.close();
    child.error('late');
    await logger.close();
    expect(sink.text).to.equal('');
  });

  it('does not wait for ever for a reader that stopped reading', async () => {
    const stuck = new Writable({ write: () => undefined });
    const logger = createLogger({ level: 'info', format: 'json' }, {}, stuck);
    logger.info('one');
    await logger.close();
    stuck.destroy();
  });

  it('survives a destination that breaks', async () => {
    const broken = new Writable({
      write: (_chunk, _encoding, done) => done(new Error('EPIPE')),
    });
    const logger = createLogger({ level: 'info', format: 'json' }, {}, broken);
    logger.info('one');
    await new Promise((resolve) => broken.once('close', resolve));
    logger.info('two');
    await logger.close();
  });

  it('writes again when a full disk has room', () => {
    const script = `
      import { execFileSync } from 'node:child_process';
      import { createLogger } from ${JSON.stringify(fileURLToPath(MODULE))};
      process.on('SIGXFSZ', () => undefined);
      // Bytes that a file may have: what a full disk does, without one.
      const room = (bytes) => execFileSync('prlimit', ['--pid', process.pid, '--fsize=' + bytes + ':']);
      const logger = createLogger({ level: 'info', format: 'json' });
      logger.info('before');
      room(1);
      for (const message of ['one', 'two']) {
        logger.info(message);
        await new Promise((resolve) => setImmediate(resolve));
      }
      room('unlimited');
      logger.info('after');
      await logger.close();
    `;
    const directory = mkdtempSync(join(tmpdir(), 'log-'));
    try {
      const path = join(directory, 'out');
      const { stderr, status } = run(script, openSync(path, 'w'));
      expect(status, stderr).to.equal(0);
      const lines = readFileSync(path, 'utf8').trim().split('\n');
      const messages = lines.map((line) => (JSON.parse(line) as { message: string }).message);
      expect(messages).to.deep.equal(['before', 'after']);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('has written everything to a pipe when the process exits after close', () => {
    const script = `
      import { createLogger } from ${JSON.stringify(fileURLToPath(MODULE))};
      const logger = createLogger({ level: 'info', format: 'json' });
      for (let at = 0; at < 500; at += 1) logger.info('x'.repeat(1000));
      await logger.close();
      process.exit(0);
    `;
    const { stdout, stderr } = run(script, 'pipe');
    expect(stdout.split('\n'), stderr).to.have.length(501);
  });
});
