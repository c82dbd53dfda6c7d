import { expect } from 'chai';
import { silentLogger } from '../../helpers/silent-logger.js';
import type { EngineEnd, EngineReader } from '../../../src/worker/contracts.js';
import { EngineFault } from '../../../src/worker/engine/engine-fault.js';
import type { OpenOptions } from '../../../src/worker/engine/open-playback.js';

export function openOptions(changes: Partial<OpenOptions> = {}): OpenOptions {
  return {
    signal: new AbortController().signal,
    connectTimeoutMs: 1_000,
    headerTimeoutMs: 3_000,
    stallTimeoutMs: 1_000,
    readBytes: 8_192,
    log: silentLogger,
    ...changes,
  };
}

/** The engine fault that `work` ends with. */
export async function faultOf(work: Promise<unknown>): Promise<EngineFault> {
  const thrown: unknown = await work.then(
    () => null,
    (error: unknown) => error,
  );
  expect(thrown).to.be.instanceOf(EngineFault);
  return thrown as EngineFault;
}

/** What a reader handed out. */
export interface Heard {
  readonly reads: Buffer[];
  readonly ends: EngineEnd[];
  bytes(): Buffer;
}

export function listen(reader: EngineReader): Heard {
  const reads: Buffer[] = [];
  const ends: EngineEnd[] = [];
  reader.start({ onData: (bytes) => reads.push(bytes), onEnd: (end) => ends.push(end) });
  return { reads, ends, bytes: () => Buffer.concat(reads) };
}
