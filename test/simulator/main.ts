import { parseArgs } from 'node:util';
import { portOf, startControl } from './control.js';
import { type EngineOptions, startEngine } from './engine.js';
import { checkKnobs, DEFAULT_KNOBS, type Knobs } from './knobs.js';
import { preset, type PresetName, PRESETS } from './presets.js';

const HELP = `Usage: engine-sim [options]

Plays AceStream engines for tests and demonstrations. Prints one line of JSON when it listens:
{"engines":["127.0.0.1:6878"],"control":"127.0.0.1:43210"}

  --engines N             how many engines (1)
  --host ADDRESS          where they listen (127.0.0.1)
  --port N                port of the first engine, the others follow; 0 = any free ones (0)
  --control-port N        port of the control API; 0 = any free one (0)
  --preset NAME           one of: ${Object.keys(PRESETS).join(', ')}
  --source KIND           picture (a real encoded clip) or stamped (numbered packets) (stamped)
  --bitrate N             bit/s of the stamped source (${DEFAULT_KNOBS.bitrate})
  --knob NAME=VALUE       any knob of knobs.ts, also several times
  --help
`;

const OPTIONS = {
  engines: { type: 'string', default: '1' },
  host: { type: 'string', default: '127.0.0.1' },
  port: { type: 'string', default: '0' },
  'control-port': { type: 'string', default: '0' },
  preset: { type: 'string', default: 'healthy' },
  source: { type: 'string' },
  bitrate: { type: 'string' },
  knob: { type: 'string', multiple: true, default: [] as string[] },
  help: { type: 'boolean', default: false },
} as const;

function natural(text: string, name: string): number {
  if (!/^\d+$/.test(text)) throw new RangeError(`--${name} ${text} is not a whole number`);
  return Number(text);
}

/** The text as a value of the knob's own type. */
function knobFrom(assignment: string): Partial<Knobs> {
  const [, name = '', text = ''] = /^(\w+)=(.*)$/.exec(assignment) ?? [];
  const known: unknown = Object.entries(DEFAULT_KNOBS).find(([knob]) => knob === name)?.[1];
  const value =
    typeof known === 'number' ? Number(text) : typeof known === 'boolean' ? text === 'true' : text;
  if (Number.isNaN(value)) throw new RangeError(`--knob ${assignment} is not a number`);
  return checkKnobs({ [name]: value });
}

async function run(): Promise<void> {
  const { values } = parseArgs({ options: OPTIONS });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  preset(values.preset);
  const assignments = [...values.knob];
  if (values.source !== undefined) assignments.unshift(`source=${values.source}`);
  if (values.bitrate !== undefined)
    assignments.unshift(`bitrate=${natural(values.bitrate, 'bitrate')}`);
  const firstPort = natural(values.port, 'port');
  const options: EngineOptions = Object.assign(
    { preset: values.preset as PresetName, host: values.host },
    ...assignments.map(knobFrom),
  ) as EngineOptions;
  const engines = await Promise.all(
    Array.from({ length: natural(values.engines, 'engines') }, (_, i) =>
      startEngine({ ...options, seed: i + 1, port: firstPort === 0 ? 0 : firstPort + i }),
    ),
  );
  const control = await startControl(
    engines,
    values.host,
    natural(values['control-port'], 'control-port'),
  );
  const addresses = engines.map((engine) => engine.address);
  process.stdout.write(
    `${JSON.stringify({ engines: addresses, control: `${values.host}:${portOf(control)}` })}\n`,
  );
  const end = (): void => {
    control.close();
    control.closeAllConnections();
    void Promise.all(engines.map((engine) => engine.stop()));
  };
  process.once('SIGTERM', end);
  process.once('SIGINT', end);
}

try {
  await run();
} catch (error) {
  process.stderr.write(`${String(error)}\n`);
  process.exitCode = 1;
}
