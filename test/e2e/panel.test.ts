import { expect } from 'chai';
import { chromium, type Browser, type Locator, type Page } from 'playwright-core';
import { API_KEY, setStage, type Stage } from '../helpers/stage.js';
import { until } from '../helpers/until.js';

const CHANNEL = 'a1b2c3d4e5f60718293a4b5c6d7e8f9001122334';
/** Where Debian's package puts it. */
const CHROMIUM = '/usr/bin/chromium';

interface Picture {
  readonly time: number;
  readonly frames: number;
  readonly width: number;
  readonly muted: boolean;
}

/** Runs in the browser: this project has no types of the DOM. */
const PICTURE = `(() => {
  const video = document.querySelector('video');
  const { totalVideoFrames } = video.getVideoPlaybackQuality();
  return { time: video.currentTime, frames: totalVideoFrames, width: video.videoWidth, muted: video.muted };
})()`;

describe('The panel in a browser', () => {
  let stage: Stage;
  let browser: Browser;
  let page: Page;
  /** What the browser complained of, and every host it asked. */
  let complaints: string[];
  let hosts: Set<string>;

  before(async () => {
    stage = await setStage({ engines: [{ source: 'picture' }, { source: 'picture' }] });
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  });

  after(async () => {
    await browser.close();
    await stage.end();
  });

  beforeEach(async () => {
    complaints = [];
    hosts = new Set();
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    page.on('request', (request) => {
      const { protocol, host } = new URL(request.url());
      if (protocol !== 'blob:' && protocol !== 'data:') hosts.add(host);
    });
  });

  afterEach(async () => {
    await page.close();
    await stage.clear();
    expect(complaints.filter((text) => !text.includes('401'))).to.deep.equal([]);
    expect([...hosts]).to.deep.equal([new URL(stage.proxy.url).host]);
  });

  /** The panel with the key, which it asks for by itself. */
  async function enter(): Promise<void> {
    await page.goto(`${stage.proxy.url}/panel`);
    await page.fill('#key-form input', API_KEY);
    await page.click('#key-form button[type=submit]');
    await page.waitForSelector('#link[data-tone=good]');
  }

  const stream = (): Locator => page.locator(`#streams [data-key="${CHANNEL}"]`);
  const players = (): Locator => page.locator('#players tbody tr');

  async function press(row: Locator, first: string, second: string): Promise<void> {
    await row.getByRole('button', { name: first }).click();
    await row.getByRole('button', { name: second }).click();
  }

  it('asks for the key, refuses a wrong one, and keeps the right one in the tab', async () => {
    await page.goto(`${stage.proxy.url}/panel`);
    await page.fill('#key-form input', 'wrong');
    await page.click('#key-form button[type=submit]');
    await page.waitForSelector('#key-form .fault:has-text("not the right one")');
    complaints = complaints.filter((text) => !text.includes('403'));
    await page.fill('#key-form input', API_KEY);
    await page.click('#key-form button[type=submit]');
    await page.waitForSelector('#link[data-tone=good]');
    await page.reload();
    await page.waitForSelector('#link[data-tone=good]');
    expect(await page.locator('#key-dialog').isVisible()).to.be.false;
  });

  it('shows players as they come and go', async () => {
    await enter();
    expect(await stream().count()).to.equal(0);
    const [first, second] = [stage.play(CHANNEL), stage.play(CHANNEL)];
    await until('both are in the table', async () => (await players().count()) === 2, 30_000);
    await until('the stream is', async () => (await stream().count()) === 1);
    expect(await stream().innerText()).to.include('active');
    await until('the count is read out', async () =>
      (await page.innerText('#counts')).includes('1 stream, 2 players'),
    );
    second.leave();
    await until('one is left', async () => (await players().count()) === 1);
    first.leave();
    await until('the stream ends', async () => (await stream().count()) === 0, 30_000);
    await page.click('#ended-box summary');
    expect(await page.innerText('#ended')).to.include('stops');
  });

  it('kicks one player, and stops a stream for all', async () => {
    await enter();
    const [first, second] = [stage.play(CHANNEL), stage.play(CHANNEL)];
    await until('both play', () => first.bytes > 0 && second.bytes > 0, 30_000);
    await until('both are in the table', async () => (await players().count()) === 2);
    await press(players().first(), 'Kick', 'Disconnect?');
    await until('one is gone', async () => (await players().count()) === 1);
    await until('its line was closed', () => [first, second].filter((p) => p.closed).length === 1);
    await press(stream(), 'Stop', 'Stop for all?');
    await until('both lines are closed', () => first.closed && second.closed);
    await until('the stream is gone', async () => (await stream().count()) === 0);
  });

  it('asks twice before it does what cannot be undone', async () => {
    await enter();
    const player = stage.play(CHANNEL);
    await until('it is in the table', async () => (await players().count()) === 1, 30_000);
    await players().first().getByRole('button', { name: 'Kick' }).click();
    await page.click('h1');
    await players().first().getByRole('button', { name: 'Kick' }).waitFor();
    await player.untilMore(50_000);
    expect(player.closed).to.be.false;
  });

  it('plays the live channel: the picture moves', async () => {
    await enter();
    stage.play(CHANNEL);
    await stream().getByRole('button', { name: 'Watch' }).click();
    const look = (): Promise<Picture> => page.evaluate<Picture>(PICTURE);
    await until('a picture', async () => (await look()).frames > 5, 30_000);
    const before = await look();
    await until('it moves', async () => (await look()).frames >= before.frames + 50, 30_000);
    const after = await look();
    expect(after.time - before.time).to.be.greaterThan(1);
    expect([after.width, after.muted]).to.deep.equal([640, true]);
    await until('it is a player like others', async () => (await players().count()) === 2);
    await page.click('#watch-close');
    await until('it has left', async () => (await players().count()) === 1);
  });

  it('goes on with the picture after engines broke off in the middle of one', async () => {
    await enter();
    stage.play(CHANNEL);
    await stream().getByRole('button', { name: 'Watch' }).click();
    const look = (): Promise<Picture> => page.evaluate<Picture>(PICTURE);
    await until('a picture', async () => (await look()).frames > 5, 30_000);
    // Chromium's decoder stops for good at about every second cut: then the panel begins again.
    for (let cut = 1; cut <= 3; cut += 1) {
      for (const engine of stage.engines) engine.dropReaders('mid-packet');
      await until('the cut is told', () => stage.proxy.tree.find('engine fault').length >= cut);
      const { time } = await look();
      const moved = async (): Promise<boolean> => {
        const now = await look();
        return now.frames > 10 && Math.abs(now.time - time) > 1;
      };
      await until('it moves again', moved, 30_000);
    }
    const before = await look();
    const on = async (): Promise<boolean> => {
      const now = await look();
      return now.frames >= 50 && now.time !== before.time;
    };
    await until('and on', on, 30_000);
    complaints = complaints.filter(
      (text) => !/MediaError|appendBuffer|HTMLMediaElement/.test(text),
    );
    await page.click('#watch-close');
  });

  it('explains a stall: what happened, what was tried, when the picture was back', async () => {
    await enter();
    const player = stage.play(CHANNEL);
    await player.untilBytes(100_000);
    const id = await stage.proxy.look.hget(`ace_proxy:stream:${CHANNEL}:metadata`, 'engine_id');
    const engine = stage.engines[id === 'e1' ? 0 : 1]!;
    engine.setContent(CHANNEL, { stall: true });
    await until(
      'the stall is told',
      async () => (await stream().innerText()).includes('silent'),
      30_000,
    );
    engine.setContent(CHANNEL, { stall: false });
    const line = stream().locator('.explanation');
    const story = /engine e\d silent \d\.\d s → .*keyframe after \d+\.\d s$/;
    await until('the end is told', async () => story.test(await line.innerText()), 30_000);
    await stream().locator('.story summary').click();
    expect(await stream().locator('.story ol').innerText()).to.include('no bytes for');
  });

  it('drains, takes up, adds and removes engines', async () => {
    await enter();
    const engines = page.locator('#engines tbody tr');
    const row = (id: string): Locator => page.locator(`#engines [data-key="${id}"]`);
    await until('both engines', async () => (await engines.count()) === 2);
    await row('e1').getByRole('button', { name: 'Drain' }).click();
    await until('it drains', async () => (await row('e1').innerText()).includes('draining'));
    await row('e1').getByRole('button', { name: 'Take up' }).click();
    await until('it is back', async () => (await row('e1').innerText()).includes('healthy'));
    await page.click('summary:has-text("Add an engine")');
    await page.fill('#add-engine [name=host]', 'no host at all');
    await page.click('#add-engine button');
    await page.waitForSelector('#add-engine .fault:has-text("host is a host name")');
    complaints = complaints.filter((text) => !text.includes('400'));
    await page.fill('#add-engine [name=host]', '127.0.0.1');
    await page.fill('#add-engine [name=port]', '9');
    await page.fill('#add-engine [name=id]', 'guest');
    await page.click('#add-engine button');
    await until('it is there', async () => (await row('guest').count()) === 1);
    await press(row('guest'), 'Remove', 'Remove it?');
    await until('it is gone', async () => (await row('guest').count()) === 0);
  });

  it('fits a phone of 360 px, in both themes, and follows the system until told otherwise', async () => {
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize({ width: 360, height: 740 });
    await enter();
    stage.play(CHANNEL);
    await until('a player', async () => (await players().count()) === 1, 30_000);
    const theme = (): Promise<string> =>
      page.evaluate<string>('document.documentElement.dataset.theme');
    const ground = (): Promise<string> =>
      page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    expect(await theme()).to.equal('dark');
    const dark = await ground();
    await page.click('#theme');
    expect([await theme(), (await ground()) === dark]).to.deep.equal(['light', false]);
    await page.reload();
    expect(await theme()).to.equal('light');
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).to.equal(360);
  });

  it('goes on with the new workers after a reload, and with others when its own dies', async () => {
    await enter();
    const listed = (): Promise<(string | null)[]> =>
      page
        .locator('#workers tbody tr')
        .all()
        .then((rows) => Promise.all(rows.map((row) => row.getAttribute('data-key'))));
    await until('both workers are listed', async () => (await listed()).length === 2);
    const before = await listed();
    stage.proxy.tree.signal('SIGHUP');
    const replaced = async (): Promise<boolean> => {
      const now = await listed();
      return now.length === 2 && now.every((worker) => !before.includes(worker));
    };
    await until('two other workers are listed', replaced, 30_000);
    await page.waitForSelector('#link[data-tone=good]');
    for (const pid of stage.proxy.workers()) process.kill(pid, 'SIGKILL');
    await page.waitForSelector('#link:not([data-tone=good])');
    await page.waitForSelector('#link[data-tone=good]', { timeout: 15_000 });
    complaints = complaints.filter((text) => !/net::|503/.test(text));
  });
});

describe('A listener of /events', () => {
  it('does not hold up the end of the proxy', async () => {
    const stage = await setStage({ workers: 1 });
    const answer = await fetch(`${stage.proxy.url}/events`, {
      headers: { Authorization: `Bearer ${API_KEY}` },
    });
    const text = answer.text();
    await stage.proxy.tree.line('worker ready');
    const startedAt = Date.now();
    await stage.end();
    expect(Date.now() - startedAt).to.be.lessThan(3_000);
    expect(await text).to.match(/event: end\ndata: \{\}\n\n$/);
  });
});
