import { fileURLToPath } from 'node:url';

/**
 * The worker's program: `worker/main.js` beside `primary/` once built, `worker/main.ts` under tsx.
 * node:cluster would take `process.argv[1]`, which under pm2 is pm2's own file (style 5.7).
 */
export function workerProgram(primaryModule: string): string {
  const extension = primaryModule.endsWith('.ts') ? 'ts' : 'js';
  return fileURLToPath(new URL(`../worker/main.${extension}`, primaryModule));
}
