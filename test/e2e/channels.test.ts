import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Player } from '../helpers/player.js';
import { setStage, type Stage } from '../helpers/stage.js';
import { until } from '../helpers/until.js';

const CHANNEL = '0123456789abcdef0123456789abcdef01234567';
const OTHER = 'fedcba9876543210fedcba9876543210fedcba98';

describe('Channels from a file', () => {
  let directory: string;
  let stage: Stage;

  const write = (content_id: string): void => {
    const channels = [{ name: 'News', group: 'Info', alias: 'news', content_id }];
    writeFileSync(join(directory, 'tv.json'), JSON.stringify(channels));
  };
  const playlist = async (): Promise<string> =>
    (await fetch(`${stage.proxy.url}/playlist.m3u`)).text();

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'channels-e2e-'));
    write(CHANNEL);
    stage = await setStage({
      engines: [{ source: 'stamped' }],
      env: { PROXY_CHANNELS: join(directory, 'tv.json') },
    });
  });
  afterEach(async () => {
    rmSync(directory, { recursive: true });
    await stage.end();
  });

  it('are played by alias and from the playlist, as one stream', async () => {
    const { url } = stage.proxy;
    const address = `${url}/ace/getstream?content_id=${CHANNEL}`;
    expect(await playlist()).to.equal(`#EXTM3U\n#EXTINF:-1 group-title="Info",News\n${address}\n`);
    const players = [new Player(`${url}/ace/alias/news`), new Player(address)];
    await Promise.all(players.map((player) => player.untilBytes(500_000, 30_000)));
    expect(stage.engine.witness.starts).to.deep.equal({ [CHANNEL]: 1 });
    for (const player of players) player.leave();
    await stage.clear();
  });

  it('change without a restart, on every worker', async () => {
    write(OTHER);
    await until('every worker has looked', async () => {
      const answers = await Promise.all(Array.from({ length: 8 }, playlist));
      return answers.every((text) => text.includes(OTHER));
    });
    const player = new Player(`${stage.proxy.url}/ace/alias/NEWS`);
    await player.untilBytes(200_000, 30_000);
    player.leave();
    expect(stage.engine.witness.starts).to.deep.equal({ [OTHER]: 1 });
    await stage.clear();
  });
});
