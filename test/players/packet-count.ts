import { PACKET, PID, pidOf, startsUnit } from '../simulator/ts-packet.js';

/** Counts the pictures in a transport stream that nobody decodes: units of video that have come whole. */
export class PictureCount {
  #tail = Buffer.alloc(0);
  #begun = 0;

  /** Pictures whose last packet has come: the next one has begun. */
  push(bytes: Buffer): number {
    const all = this.#tail.length === 0 ? bytes : Buffer.concat([this.#tail, bytes]);
    const whole = all.length - (all.length % PACKET);
    for (let at = 0; at < whole; at += PACKET) {
      if (pidOf(all, at) === PID.video && startsUnit(all, at)) this.#begun += 1;
    }
    this.#tail = Buffer.from(all.subarray(whole));
    return Math.max(0, this.#begun - 1);
  }
}
