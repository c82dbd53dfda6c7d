/** One line of what happened to a stream: the list `story` in Redis, oldest first. */
export interface StoryEntry {
  /** Wall-clock ms. */
  readonly at: number;
  /** A clause for people: `engine e2 silent 5.1 s`. */
  readonly what: string;
  /** What it was, or was decided, for. */
  readonly why: string;
}

/** Entries that are kept of one stream. */
export const STORY_LENGTH = 50;

/** What can be read of the list; anybody can push to it. */
export function parseStory(lines: readonly string[]): StoryEntry[] {
  return lines.map(parseEntry).filter((entry) => entry !== null);
}

function parseEntry(line: string): StoryEntry | null {
  try {
    const { at, what, why } = JSON.parse(line) as Record<string, unknown>;
    if (typeof at !== 'number' || typeof what !== 'string' || typeof why !== 'string') return null;
    return { at, what, why };
  } catch {
    return null;
  }
}
