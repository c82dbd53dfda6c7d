// @ts-check
// What happened to a stream and why, as one line and as a list.
import { h, setText } from './dom.js';
import { clock, lasting } from './format.js';

/** ms between two entries of one chain of events. */
const CHAIN_MS = 15_000;
const LONGEST_CHAIN = 5;

/**
 * The entries that belong to the last thing that happened, oldest first.
 * @param {readonly import('./types.js').StoryEntry[]} story
 */
export function lastChain(story) {
  let from = Math.max(0, story.length - 1);
  while (from > 0 && story[from].at - story[from - 1].at <= CHAIN_MS) from -= 1;
  return story.slice(Math.max(from, story.length - LONGEST_CHAIN));
}

/**
 * `engine e2 silent 5.1 s → reconnect → keyframe after 1.3 s`; empty when nothing is known.
 * @param {readonly import('./types.js').StoryEntry[]} story
 */
export const explain = (story) =>
  lastChain(story)
    .map(({ what }) => what)
    .join(' → ');

export function makeStory() {
  const line = h('span', { class: 'explanation' });
  const age = h('span', { class: 'quiet' });
  const list = h('ol');
  const element = h('details', { class: 'story' }, h('summary', {}, line, ' ', age), list);
  let shown = '';
  return {
    element,
    /** @param {readonly import('./types.js').StoryEntry[]} story @param {number} now ms */
    update: (story, now) => {
      element.hidden = story.length === 0;
      setText(line, explain(story));
      const last = story.at(-1);
      setText(age, last === undefined ? '' : `${lasting(now - last.at)} ago`);
      const state = JSON.stringify(story);
      if (state === shown) return;
      shown = state;
      list.replaceChildren(...[...story].reverse().map(entryLine));
    },
  };
}

/** @param {import('./types.js').StoryEntry} entry */
export function entryLine({ at, what, why }) {
  return h(
    'li',
    {},
    h('time', { dateTime: new Date(at).toISOString() }, clock(at)),
    ' ',
    h('strong', {}, what),
    ...(why === '' ? [] : [' ', h('span', { class: 'quiet' }, why)]),
  );
}
