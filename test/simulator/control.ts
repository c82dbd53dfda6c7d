import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SimulatedEngine } from './engine.js';
import { checkKnobs, type CloseMode } from './knobs.js';
import { preset, type PresetName } from './presets.js';

const MAX_BODY = 65_536;

/** What `POST /__sim/scenario` takes: any of these, in this order, on one engine or on all. */
interface Scenario {
  engine?: number;
  preset?: string;
  knobs?: Record<string, unknown>;
  /** Knobs of single contents, by hex. */
  contents?: Record<string, Record<string, unknown>>;
  drop?: CloseMode;
  freeze?: boolean;
  /** A content's hex; empty = all contents. */
  supersede?: string;
  /** Down time of `restart`, ms. */
  downMs?: number;
}

async function readBody(request: IncomingMessage): Promise<Scenario> {
  let text = '';
  for await (const bytes of request as AsyncIterable<Buffer>) {
    text += bytes.toString();
    if (text.length > MAX_BODY) throw new RangeError('body too large');
  }
  return text === '' ? {} : (JSON.parse(text) as Scenario);
}

function stateOf(engine: SimulatedEngine): object {
  const { witness, knobs, address, frozen } = engine;
  return {
    address,
    frozen,
    knobs,
    witness: witness.snapshot(),
    faults: witness.faults(),
    readers: engine.feeds.size,
  };
}

function apply(engine: SimulatedEngine, scenario: Scenario): void {
  if (scenario.preset !== undefined) {
    preset(scenario.preset);
    engine.usePreset(scenario.preset as PresetName);
  }
  if (scenario.knobs) engine.set(checkKnobs(scenario.knobs));
  for (const [hex, knobs] of Object.entries(scenario.contents ?? {}))
    engine.setContent(hex, checkKnobs(knobs));
  if (scenario.freeze !== undefined) engine.freeze(scenario.freeze);
  if (scenario.drop !== undefined) engine.dropReaders(scenario.drop);
  if (scenario.supersede !== undefined) engine.supersede(scenario.supersede || undefined);
}

async function act(
  route: string,
  engines: readonly SimulatedEngine[],
  scenario: Scenario,
): Promise<boolean> {
  switch (route) {
    case 'GET /__sim/state':
      return true;
    case 'POST /__sim/scenario':
      for (const engine of engines) apply(engine, scenario);
      return true;
    case 'POST /__sim/reset':
      for (const engine of engines) engine.reset();
      return true;
    case 'POST /__sim/kill':
      await Promise.all(engines.map((engine) => engine.kill()));
      return true;
    case 'POST /__sim/restart':
      await Promise.all(engines.map((engine) => engine.restart(scenario.downMs ?? 0)));
      return true;
    default:
      return false;
  }
}

/**
 * The HTTP door for tests in other processes: `GET /__sim/state`, `POST /__sim/{scenario,reset,kill,restart}` with a
 * JSON body (`Scenario`). Every answer is `{engines: [...]}` with the state of all engines, or 400 with `{error}`.
 * `kill` leaves an engine down until `restart`.
 */
export async function startControl(
  engines: readonly SimulatedEngine[],
  host: string,
  port: number,
): Promise<Server> {
  const answer = async (request: IncomingMessage): Promise<[number, object]> => {
    try {
      const scenario = await readBody(request);
      const chosen = scenario.engine === undefined ? engines : [engines[scenario.engine]];
      if (!chosen.every((engine) => engine !== undefined))
        return [400, { error: 'no such engine' }];
      const done = await act(`${request.method ?? ''} ${request.url ?? ''}`, chosen, scenario);
      return done ? [200, { engines: engines.map(stateOf) }] : [404, { error: 'no such route' }];
    } catch (error) {
      return [400, { error: String(error) }];
    }
  };
  const server = createServer((request, response) => {
    void answer(request).then(([status, body]) => {
      response.writeHead(status, { 'Content-Type': 'application/json', Connection: 'close' });
      response.end(JSON.stringify(body));
    });
  });
  server.listen(port, host);
  await once(server, 'listening');
  return server;
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
