import { startEngine, type SimulatedEngine } from '../simulator/engine.js';
import { PictureSource } from '../simulator/media-picture.js';
import { serve } from './processes.js';

/** The engine of the bench, in a process of its own so that its CPU time can be told apart. */
export interface SourceMethods {
  /** Resolves to `host:port`. */
  start(argument: null): Promise<string>;
  /** Stamped packets at this rate, for ever. */
  stamped(content: { id: string; bitrate: number; gop: number }): number;
  /** A clip in a loop; resolves to its rate in bytes per second. */
  clip(content: { id: string; file: string }): number;
}

let engine: SimulatedEngine;

serve<SourceMethods>({
  async start() {
    engine = await startEngine({ prebufferMs: 20, redirects: 0, inactivityMs: 600_000 });
    return engine.address;
  },
  stamped({ id, bitrate, gop }) {
    engine.setContent(id, { bitrate, gop });
    return engine.content(id).source.bytesPerSecond;
  },
  clip({ id, file }) {
    const record = engine.content(id);
    record.source = new PictureSource(file);
    return record.source.bytesPerSecond;
  },
});
