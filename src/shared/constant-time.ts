import { createHash, timingSafeEqual } from 'node:crypto';

/**
 * Whether two keys are equal, in a time that tells nothing of where they differ. The digests are
 * compared, because `timingSafeEqual` wants equal lengths and a length is a hint too.
 */
export function sameKey(a: string, b: string): boolean {
  return timingSafeEqual(digest(a), digest(b));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
