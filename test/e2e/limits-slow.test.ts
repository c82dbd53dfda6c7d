import { expect } from 'chai';
import type { Player } from '../helpers/player.js';
import { setStage, type Stage } from '../helpers/stage.js';
import { until } from '../helpers/until.js';

const CHANNEL = '5105105105105105105105105105105105105105';
/** bit/s; fast enough to fill the buffers of the kernel, some MB, within seconds. */
const BITRATE = 24_000_000;
const BYTES_PER_SECOND = BITRATE / 8;
/** ms; a chunk comes every 100 ms. Generous, because the machine is shared. */
const MAX_GAP_MS = 700;

describe('A client that does not keep up', () => {
  let stage: Stage;
  let others: Player[];

  /** `ghostMultiplier` is in heartbeats, here of 1 s. */
  const begin = async (ghostMultiplier: string): Promise<void> => {
    stage = await setStage({
      engines: [{ bitrate: BITRATE, gop: 0.5 }],
      env: {
        // Three seconds: more than a busy machine lets the others wait.
        PROXY_BUFFER_MAX_BYTES: '8388608',
        PROXY_BUFFER_CHUNK_SIZE: String(188 * 1_394),
        PROXY_GHOST_CLIENT_MULTIPLIER: ghostMultiplier,
      },
    });
    others = Array.from({ length: 4 }, () => stage.play(CHANNEL));
    await Promise.all(others.map((player) => player.untilBytes(BYTES_PER_SECOND * 2)));
    for (const player of others) player.resetGap();
  };

  afterEach(async () => {
    await stage.clear();
    await stage.end();
  });

  /** The others got everything in time, whatever that client did. */
  const expectOthersUnmoved = (): void => {
    for (const player of others) {
      const { lost, duplicated, marked, corrupt, misaligned } = player.report();
      expect({ lost, duplicated, marked, corrupt, misaligned }).to.deep.equal({
        lost: 0,
        duplicated: 0,
        marked: 0,
        corrupt: 0,
        misaligned: 0,
      });
      expect(player.longestGap, 'longest gap of another, ms').to.be.lessThan(MAX_GAP_MS);
      expect(player.closed).to.equal(false);
    }
  };

  it('skips with a mark, loses nothing else, and disturbs nobody', async () => {
    // A third of the socket's buffer has to be taken before the worker hears of it: that is no ghost.
    await begin('30');
    const slow = stage.play(CHANNEL, { rate: BYTES_PER_SECOND / 10 });
    const skips = async (): Promise<number> => {
      const text = await (await fetch(`${stage.proxy.url}/metrics`, stage.bearer())).text();
      return Number(/^ace_proxy_client_skips_total(?:\{[^}]*\})? (\d+)/m.exec(text)?.[1] ?? 0);
    };
    await until('the slow client falls out of the ring', async () => (await skips()) > 0, 30_000);
    expectOthersUnmoved();
    slow.hurry();
    await until('the skip arrives', () => slow.report().marked > 0, 30_000);
    await slow.untilMore(BYTES_PER_SECOND);
    const { lost, duplicated, corrupt, misaligned, skipped, ccErrors } = slow.report();
    expect({ lost, duplicated, corrupt, misaligned, ccErrors }).to.deep.equal({
      lost: 0,
      duplicated: 0,
      corrupt: 0,
      misaligned: 0,
      ccErrors: 0,
    });
    expect(skipped).to.be.greaterThan(0);
  });

  it('and takes nothing at all is closed as a ghost, and nobody else notices', async () => {
    await begin('3');
    const { look } = stage.proxy;
    const ghost = stage.play(CHANNEL);
    await ghost.untilBytes(100_000);
    const members = (): Promise<number> => look.scard(`ace_proxy:stream:${CHANNEL}:clients`);
    expect(await members()).to.equal(5);
    ghost.pause();
    await until('the ghost is closed', async () => (await members()) === 4, 30_000);
    const [left] = stage.proxy.tree.find('client left');
    expect(left).to.include({ reason: 'ghost' });
    expectOthersUnmoved();
    ghost.resume();
    await ghost.untilClosed();
  });
});
