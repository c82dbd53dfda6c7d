import { withDeadline } from '../shared/deadline.js';
import type { Logger } from '../shared/log/logger.js';

/** How the time of a graceful stop is shared out, in milliseconds. */
export interface DrainPlan {
  /** Then the workers that are left are killed. */
  readonly workersMs: number;
  /** For what comes after them: the last frees in Redis and the embedded Redis. */
  readonly restMs: number;
}

/** The rest gets a share of the time, 3 s at most: an embedded Redis may need two to end. */
const REST_SHARE = 0.3;
const REST_MAX_MS = 3_000;

export function planDrain(timeoutMs: number): DrainPlan {
  const restMs = Math.min(Math.round(timeoutMs * REST_SHARE), REST_MAX_MS);
  return { workersMs: timeoutMs - restMs, restMs };
}

/** One step of the stop; a failure is logged and the next step follows. */
export interface DrainStep {
  readonly name: string;
  readonly deadlineMs: number;
  run(): Promise<void> | void;
}

/** Runs the steps in their order, each within its time. Never rejects. */
export async function runDrain(steps: readonly DrainStep[], log: Logger): Promise<void> {
  for (const step of steps) {
    try {
      await withDeadline(Promise.resolve(step.run()), step.deadlineMs, step.name);
    } catch (error) {
      log.error('a step of the shutdown failed', { step: step.name, error });
    }
  }
}
