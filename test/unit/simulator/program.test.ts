import { expect } from 'chai';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../simulator/main.ts', import.meta.url));

interface State {
  engines: {
    address: string;
    knobs: Record<string, unknown>;
    witness: { starts: Record<string, number> };
    faults: string[];
  }[];
}

function launch(...args: string[]): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, ['--import=tsx', MAIN, ...args]);
}

async function ended(
  program: ChildProcessWithoutNullStreams,
): Promise<{ code: number; err: string; out: string }> {
  let err = '';
  let out = '';
  program.stderr.on('data', (part: Buffer) => (err += part.toString()));
  program.stdout.on('data', (part: Buffer) => (out += part.toString()));
  const [code] = (await once(program, 'close')) as [number];
  return { code, err, out };
}

describe('engine simulator program', () => {
  let program: ChildProcessWithoutNullStreams;
  afterEach(() => program.kill('SIGKILL'));

  it('says where it listens, obeys the control API and ends on SIGTERM', async () => {
    program = launch(
      '--engines',
      '2',
      '--preset',
      'slow-60s',
      '--knob',
      'peers=3',
      '--bitrate',
      '2000000',
    );
    const [line] = (await once(program.stdout, 'data')) as [Buffer];
    const { engines, control } = JSON.parse(line.toString()) as {
      engines: string[];
      control: string;
    };
    expect(engines).to.have.lengthOf(2);
    const call = async (route: string, body?: object): Promise<State> => {
      const init = body ? { method: 'POST', body: JSON.stringify(body) } : {};
      return (await (await fetch(`http://${control}/__sim/${route}`, init)).json()) as State;
    };
    const hex = 'ab'.repeat(20);
    await fetch(`http://${engines[1]!}/ace/getstream?id=${hex}&format=json&pid=1`, {
      headers: { 'Accept-Encoding': 'identity' },
    });
    let state = await call('state');
    expect(state.engines.map((engine) => engine.address)).to.deep.equal(engines);
    expect(state.engines[0]!.knobs).to.include({
      prebufferMs: 60_000,
      peers: 3,
      bitrate: 2_000_000,
    });
    expect(state.engines[1]!.witness.starts).to.deep.equal({ [hex]: 1 });
    expect(state.engines[1]!.faults).to.include(`session 1 of ${hex} is still live`);

    state = await call('scenario', {
      engine: 0,
      preset: 'garbage',
      knobs: { burstSeconds: 1 },
      freeze: true,
    });
    expect(state.engines[0]!.knobs).to.include({
      garbage: true,
      burstSeconds: 1,
      prebufferMs: 150,
    });
    expect(await call('scenario', { knobs: { bitrte: 1 } }))
      .to.have.property('error')
      .that.contains('bitrte');
    state = await call('reset', {});
    expect(state.engines[1]!.witness.starts).to.deep.equal({});
    await call('kill', { engine: 1 });
    const refused = await fetch(`http://${engines[1]!}/`).catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(Error);
    await call('restart', { engine: 1, downMs: 0 });
    expect((await fetch(`http://${engines[1]!}/`)).status).to.equal(500);

    program.kill('SIGTERM');
    const [code, signal] = (await once(program, 'close')) as [number | null, string | null];
    expect([code, signal]).to.deep.equal([0, null]);
  });

  it('explains itself', async () => {
    program = launch('--help');
    const { code, out } = await ended(program);
    expect(code).to.equal(0);
    expect(out).to.contain('--preset NAME').and.to.contain('drop-mid-packet');
  });

  it('refuses what it does not know', async () => {
    program = launch('--preset', 'heathy');
    const { code, err } = await ended(program);
    expect(code).to.equal(1);
    expect(err).to.contain('no preset heathy; there are: healthy');
  });
});
