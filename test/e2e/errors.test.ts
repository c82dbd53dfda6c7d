import { expect } from 'chai';
import { Player } from '../helpers/player.js';
import { setStage, type Stage } from '../helpers/stage.js';
import { PID } from '../simulator/ts-packet.js';

const hexOf = (index: number): string => index.toString(16).padStart(4, '0').repeat(10);

interface ErrorAnswer {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly reason?: string;
    readonly accepted?: readonly string[];
  };
}

describe('A request for a stream', () => {
  let stage: Stage;

  before(async () => {
    stage = await setStage({
      engines: [
        {
          badIdDelayMs: 100,
          badInfohashDelayMs: 200,
          contents: {
            [hexOf(1)]: { startAnswer: 'failed-to-load' },
            [hexOf(2)]: { kind: 'infohash' },
            [hexOf(3)]: { startAnswer: 'manifest-failed' },
          },
        },
      ],
      env: { PROXY_MAX_STREAMS_PER_ENGINE: '20', PROXY_GRACE_PERIOD: '0.1' },
    });
  });

  afterEach(() => stage.clear());
  after(() => stage.end());

  const ask = async (
    query: string,
    init?: RequestInit,
  ): Promise<[number, ErrorAnswer, Headers]> => {
    const answer = await fetch(`${stage.proxy.url}/ace/getstream${query}`, init);
    return [answer.status, (await answer.json()) as ErrorAnswer, answer.headers];
  };

  for (const [what, query] of [
    ['without an id', ''],
    ['with an empty id', '?id='],
    ['with a short id', '?id=abc123'],
    ['with an id of other characters', `?id=${'g'.repeat(40)}`],
    ['with an id twice', `?id=${hexOf(9)}&id=${hexOf(9)}`],
    ['with an id and an infohash', `?id=${hexOf(9)}&infohash=${hexOf(9)}`],
    ['with a magnet link without a btih', '?infohash=magnet%3A%3Fxt%3Durn%3Atree%3Aabc'],
    ['with an id that is a path', '?id=..%2F..%2Fetc%2Fpasswd'],
  ] as const) {
    it(`${what} is answered with what is accepted, and starts nothing`, async () => {
      const asked = { ...stage.engine.witness.startRequests };
      const [status, { error }] = await ask(query);
      expect(status).to.equal(400);
      expect(error.code).to.equal('BAD_ID');
      expect(error.accepted).to.include('id=<40 hex digits>');
      expect(await stage.proxy.keys()).to.deep.equal([]);
      expect(stage.engine.witness.startRequests).to.deep.equal(asked);
    });
  }

  it('for what no engine can load gets its reason, and the engine is not asked again', async () => {
    const content = hexOf(1);
    const [status, { error }] = await ask(`?id=${content}`);
    expect(status).to.equal(404);
    expect(error.code).to.equal('CONTENT_NOT_FOUND');
    expect(error.reason).to.match(/failed to load content/);
    const asked = stage.engine.witness.startRequests[content];
    expect(asked, 'as a content id and as an infohash').to.equal(2);
    for (let i = 0; i < 4; i += 1) {
      const [again, body] = await ask(`?id=${content}`);
      expect(again).to.equal(404);
      expect(body.error.reason).to.match(/failed to load content/);
    }
    expect(stage.engine.witness.startRequests[content]).to.equal(asked);
    const life = await stage.proxy.look.pttl(`ace_proxy:refused:${content}`);
    expect(life).to.be.within(25_000, 30_000);
  });

  it('for what an engine refuses is one start for all who ask at once', async () => {
    const content = hexOf(3);
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask(`?id=${content}`)));
    expect(answers.map(([status]) => status)).to.deep.equal(Array(10).fill(404));
    expect(stage.engine.witness.startRequests[content]).to.be.at.most(2);
  });

  it('finds the kind of a hex that is an infohash, and remembers it', async () => {
    const content = hexOf(2);
    const first = stage.play(content);
    await first.untilBytes(50_000);
    expect(stage.engine.witness.startRequests[content]).to.equal(2);
    await stage.clear();
    await stage.play(content).untilBytes(50_000);
    expect(stage.engine.witness.startRequests[content], 'one more').to.equal(3);
  });

  it('by HEAD gets the headers and starts, joins or stops nothing', async () => {
    const answer = await fetch(stage.proxy.media(hexOf(10)), { method: 'HEAD' });
    expect(answer.status).to.equal(200);
    expect(answer.headers.get('content-type')).to.equal('video/mp2t');
    expect(answer.headers.get('content-length')).to.equal(null);
    expect(answer.headers.get('accept-ranges')).to.equal('none');
    expect(answer.headers.get('cache-control')).to.equal('no-store');
    expect(await stage.proxy.keys()).to.deep.equal([]);
    expect(stage.engine.witness.startRequests[hexOf(10)]).to.equal(undefined);
    const player = stage.play(hexOf(10));
    await player.untilBytes(50_000);
    await fetch(stage.proxy.media(hexOf(10)), { method: 'HEAD' });
    const clients = await stage.proxy.look.scard(`ace_proxy:stream:${hexOf(10)}:clients`);
    expect(clients).to.equal(1);
    await player.untilMore(50_000);
  });

  it('gets the whole stream whatever Range and pid it sends', async () => {
    const url = `/ace/getstream?id=${hexOf(11)}&pid=mine&format=json`;
    const player = new Player(stage.proxy.url + url, {
      head: `GET ${url} HTTP/1.1\r\nHost: x\r\nRange: bytes=100-\r\nAccept-Encoding: gzip\r\n\r\n`,
    });
    await player.untilBytes(100_000);
    player.leave();
    expect(player.status).to.equal(200);
    expect(player.head).to.not.match(
      /content-range|transfer-encoding|content-length|content-encoding/i,
    );
    expect(player.head).to.match(/^connection: close$/im);
    expect(player.report().firstPackets[0]?.pid).to.equal(PID.pat);
    const { sessions } = stage.engine.witness;
    expect(sessions.at(-1)?.pid).to.not.equal('mine');
    expect(new Set(sessions.map(({ pid }) => pid)).size).to.equal(sessions.length);
  });

  it('may name the same stream in every accepted form', async () => {
    const hex = 'abcdef0123456789abcdef0123456789abcdef01';
    const base32 = 'VPG66AJDIVTYTK6N54ASGRLHRGV433YB';
    for (const query of [
      `id=${hex}`,
      `id=${hex.toUpperCase()}`,
      `id=acestream://${hex}`,
      `id=${encodeURIComponent(`acestream://${hex.toUpperCase()}`)}`,
      `content_id=${hex}`,
      `infohash=${hex}`,
      `infohash=${encodeURIComponent(`magnet:?xt=urn:btih:${hex}&dn=x`)}`,
      `infohash=${encodeURIComponent(`magnet:?xt=urn:btih:${base32}`)}`,
    ]) {
      await stage.play(query).untilBytes(20_000);
    }
    const clients = await stage.proxy.look.scard(`ace_proxy:stream:${hex}:clients`);
    expect(clients).to.equal(8);
    expect(stage.engine.witness.starts[hex]).to.equal(1);
  });
});

describe('A proxy without an engine', () => {
  let stage: Stage;

  before(async () => {
    stage = await setStage({ engines: [] });
  });

  after(() => stage.end());

  it('says so at once', async () => {
    const begun = Date.now();
    const answer = await fetch(stage.proxy.media(hexOf(20)));
    expect(answer.status).to.equal(503);
    expect(Date.now() - begun, 'ms').to.be.lessThan(500);
    expect(Number(answer.headers.get('retry-after'))).to.be.greaterThan(0);
    expect(((await answer.json()) as ErrorAnswer).error.code).to.equal('NO_ENGINE');
    await stage.proxy.untilNoKeys(1_000);
  });
});
