import { Cluster, type ChainableCommander } from 'ioredis';
import type { RedisClient } from './client.js';

/**
 * Commands that travel together. One Redis takes them as one pipeline; a Cluster takes a pipeline per
 * hash tag, side by side, because a pipeline leads to one node and slots move one by one.
 */
export class Batch {
  readonly #redis: RedisClient;
  readonly #pipelines = new Map<string, ChainableCommander>();
  /** Where the answers of each addition are: pipeline, first position, number. */
  readonly #places: {
    readonly of: ChainableCommander;
    readonly from: number;
    readonly to: number;
  }[] = [];

  constructor(redis: RedisClient) {
    this.#redis = redis;
  }

  /** `commands` may touch keys of the slot of `key` only; publishing needs no slot. */
  add(key: string, commands: (pipeline: ChainableCommander) => unknown): this {
    const pipeline = this.#pipeline(this.#redis instanceof Cluster ? hashTag(key) : '');
    const from = pipeline.length;
    commands(pipeline);
    this.#places.push({ of: pipeline, from, to: pipeline.length });
    return this;
  }

  /** The answers in the order of the additions. Rejects with the first error among them. */
  async run(): Promise<unknown[]> {
    const answers = new Map(
      await Promise.all(
        [...this.#pipelines.values()].map(
          async (pipeline) => [pipeline, await answersOf(pipeline)] as const,
        ),
      ),
    );
    return this.#places.flatMap(({ of, from, to }) => answers.get(of)?.slice(from, to) ?? []);
  }

  #pipeline(name: string): ChainableCommander {
    const known = this.#pipelines.get(name);
    if (known !== undefined) return known;
    const made = this.#redis.pipeline();
    this.#pipelines.set(name, made);
    return made;
  }
}

/** What decides the slot of a key: the text between the first `{` and the next `}`, or all of it. */
export function hashTag(key: string): string {
  const tag = /^[^{]*\{([^}]+)\}/.exec(key)?.[1];
  return tag ?? key;
}

async function answersOf(pipeline: ChainableCommander): Promise<unknown[]> {
  const results = (await pipeline.exec()) ?? [];
  return results.map(([error, value]) => {
    if (error) throw error;
    return value;
  });
}
