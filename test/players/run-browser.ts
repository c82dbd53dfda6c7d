import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser } from 'playwright-core';
import type { Running } from './run-program.js';
import { Screen } from './screen.js';

/** Where Debian's package puts it. */
const CHROMIUM = '/usr/bin/chromium';
const PACKAGE = fileURLToPath(new URL('../../node_modules/mpegts.js/', import.meta.url));
const LOOK_MS = 50;

const SEEN = '`totalVideoFrames` of the video element, every 50 ms';

export const BROWSERS = [
  { name: 'mpegts.js in Chromium', seen: SEEN, again: false },
  { name: 'mpegts.js, begun again after an error', seen: SEEN, again: true },
] as const;

/** Runs in the page: this project has no types of the DOM. `again`: as the panel does. */
const PLAY = `(url, again) => {
  const video = document.body.appendChild(document.createElement('video'));
  video.muted = true;
  let player;
  const begin = () => {
    player = mpegts.createPlayer(
      { type: 'mpegts', isLive: true, url },
      { isLive: true, liveBufferLatencyChasing: false },
    );
    const mine = player;
    player.on(mpegts.Events.ERROR, (kind) => {
      if (mine !== player || !again || kind !== mpegts.ErrorTypes.MEDIA_ERROR) return;
      player = null;
      // Not inside its own callback: the library goes on with what it was about.
      setTimeout(() => {
        mine.destroy();
        begin();
      }, 300);
    });
    player.attachMediaElement(video);
    player.load();
    void Promise.resolve(player.play()).catch(() => undefined);
  };
  begin();
  let total = 0;
  let last = 0;
  globalThis.look = () => {
    const now = video.getVideoPlaybackQuality().totalVideoFrames;
    // It begins at 0 with each new source.
    total += now < last ? now : now - last;
    last = now;
    return total;
  };
}`;

/** Versions of the browser and of the library; `null` where one of them is not installed. */
export async function openBrowser(): Promise<{ browser: Browser; version: string } | null> {
  if (!existsSync(CHROMIUM) || !existsSync(PACKAGE)) return null;
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking'],
  });
  const { version } = JSON.parse(readFileSync(`${PACKAGE}package.json`, 'utf8')) as {
    version: string;
  };
  return { browser, version: `${version}, ${browser.version()}` };
}

/** Plays `url` in a page of the same origin. */
export async function runInBrowser(
  browser: Browser,
  url: string,
  again: boolean,
): Promise<Running> {
  const page = await browser.newPage();
  const blank = new URL('/blank', url).href;
  await page.route(blank, (route) => route.fulfill({ contentType: 'text/html', body: '<body>' }));
  await page.goto(blank);
  await page.addScriptTag({ path: `${PACKAGE}dist/mpegts.js` });
  const screen = new Screen();
  await page.evaluate(`(${PLAY})(${JSON.stringify(url)}, ${String(again)})`);
  const looking = setInterval(() => {
    page.evaluate<number>('look()').then(
      (frames) => screen.show(frames),
      () => undefined,
    );
  }, LOOK_MS);
  return {
    screen,
    ended: () => false,
    leave: async () => {
      clearInterval(looking);
      await page.close();
    },
  };
}
