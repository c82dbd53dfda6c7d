import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { randomUUID } from 'node:crypto';

/** A session with an engine that is being read. */
export interface EngineStream {
  readonly media: IncomingMessage;
  /** Ends the session; the reader is to be destroyed before. */
  readonly stop: () => Promise<void>;
}

/** Starts a session and opens its playback; no redirects, no second try: the bench's own engine. */
export async function openEngineStream(engine: string, id: string): Promise<EngineStream> {
  const base = `http://${engine}`;
  const query = new URLSearchParams({ id, format: 'json', pid: randomUUID() });
  let text = '';
  for await (const part of await answerOf(`${base}/ace/getstream?${query.toString()}`)) {
    text += String(part);
  }
  const { response } = JSON.parse(text) as {
    response: { playback_url: string; command_url: string };
  };
  const at = (url: string): string => {
    const { pathname, search } = new URL(url, base);
    return base + pathname + search;
  };
  return {
    media: await answerOf(at(response.playback_url)),
    stop: async () => {
      (await answerOf(`${at(response.command_url)}?method=stop`)).resume();
    },
  };
}

async function answerOf(url: string): Promise<IncomingMessage> {
  const [answer] = (await once(get(url, { agent: false }), 'response')) as [IncomingMessage];
  return answer;
}
