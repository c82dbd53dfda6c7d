// @ts-check
// Shows a running stream in the browser: mpegts.js turns MPEG-TS into what a video element takes.
import { authorization } from './api.js';
import { byId, setText } from './dom.js';
import { shortKey } from './format.js';

/** s of media behind the picture that the browser may keep. */
const KEPT_SECONDS = 60;

const CONFIG = {
  isLive: true,
  // Chasing the live edge makes sound stutter; the proxy's cushion of 2 s is wanted.
  liveBufferLatencyChasing: false,
  autoCleanupSourceBuffer: true,
  autoCleanupMaxBackwardDuration: KEPT_SECONDS * 2,
  autoCleanupMinBackwardDuration: KEPT_SECONDS,
};

/** @type {Promise<any> | null} */
let loading = null;

/** The library, once somebody watches: it is as large as everything else together. */
function loadLibrary() {
  loading ??= new Promise((resolve, reject) => {
    const path = document.querySelector('meta[name=mpegts]')?.getAttribute('content') ?? '';
    const script = document.createElement('script');
    script.src = path;
    script.addEventListener('load', () => resolve(/** @type {any} */ (globalThis).mpegts));
    script.addEventListener('error', () => {
      loading = null;
      reject(new Error('the player could not be loaded'));
    });
    document.head.append(script);
  });
  return loading;
}

export function makePlayer() {
  const box = byId('watch');
  const video = /** @type {HTMLVideoElement} */ (byId('video'));
  const state = byId('watch-state');
  /** @type {any} */
  let player = null;
  let generation = 0;

  const stop = () => {
    generation += 1;
    player?.destroy();
    player = null;
  };
  const close = () => {
    stop();
    box.hidden = true;
  };
  byId('watch-close').addEventListener('click', close);
  video.addEventListener('playing', () => setText(state, 'live'));
  video.addEventListener('waiting', () => setText(state, 'waits for media'));

  /** @param {string} key */
  const watch = async (key) => {
    stop();
    const mine = generation;
    box.hidden = false;
    box.scrollIntoView({ block: 'nearest' });
    setText(byId('watch-title'), `Watching ${shortKey(key)}`);
    setText(state, 'starts');
    const mpegts = await loadLibrary();
    if (mine !== generation) return;
    if (!mpegts.isSupported()) {
      setText(state, 'this browser cannot play MPEG-TS');
      return;
    }
    const url = new URL(`ace/getstream?id=${key}`, document.baseURI).href;
    // Who has the key may watch, also where media needs a token.
    const config = { ...CONFIG, headers: authorization() };
    player = mpegts.createPlayer({ type: 'mpegts', isLive: true, url }, config);
    const say = (/** @type {string} */ text) => {
      if (mine === generation) setText(state, text);
    };
    player.on(mpegts.Events.LOADING_COMPLETE, () => say('the proxy has ended the stream'));
    player.on(
      mpegts.Events.ERROR,
      (
        /** @type {string} */ kind,
        /** @type {string} */ detail,
        /** @type {{ msg?: string }} */ info,
      ) => say(`${kind}: ${info?.msg ?? detail}`),
    );
    player.attachMediaElement(video);
    player.load();
    await player.play()?.catch(() => say('press play'));
  };
  return {
    /** @param {string} key */
    watch: (key) => watch(key).catch((error) => setText(state, String(error.message))),
  };
}
