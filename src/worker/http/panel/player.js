// @ts-check
// Shows a running stream in the browser: mpegts.js turns MPEG-TS into what a video element takes.
import { authorization } from './api.js';
import { byId, setText } from './dom.js';
import { shortKey } from './format.js';

/** s of media behind the picture that the browser may keep. */
const KEPT_SECONDS = 60;

/** ms before a picture that broke is begun again; doubled each time, anew after `CALM_MS` of playing. */
const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 10_000;
const CALM_MS = 20_000;
/** ms between looks at the picture, and looks with sound and without a new picture after which it begins again. */
const LOOK_MS = 1_000;
const FROZEN_LOOKS = 3;
/** Pictures between two looks that tell video from a slide show. */
const USUAL_FRAMES = 10;

/** @type {import('mpegts.js').default.Config} */
const CONFIG = {
  isLive: true,
  // Jumping to the live edge makes sound stutter; the proxy's cushion of 2 s is wanted.
  liveBufferLatencyChasing: false,
  // What a gap has left behind is caught up with by playing a little faster.
  liveSync: true,
  liveSyncMaxLatency: 8,
  liveSyncTargetLatency: 4,
  liveSyncPlaybackRate: 1.1,
  autoCleanupSourceBuffer: true,
  autoCleanupMaxBackwardDuration: KEPT_SECONDS * 2,
  autoCleanupMinBackwardDuration: KEPT_SECONDS,
};

/** @typedef {typeof import('mpegts.js').default} Library */

/** @type {Promise<Library> | null} */
let loading = null;

/** The library, once somebody watches: it is as large as everything else together. */
function loadLibrary() {
  loading ??= new Promise((resolve, reject) => {
    const path = document.querySelector('meta[name=mpegts]')?.getAttribute('content') ?? '';
    const script = document.createElement('script');
    script.src = path;
    script.addEventListener('load', () =>
      resolve(/** @type {{ mpegts: Library }} */ (/** @type {unknown} */ (globalThis)).mpegts),
    );
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
  /** @type {import('mpegts.js').default.Player | null} */
  let player = null;
  /** What an older one still says is not heard. */
  let generation = 0;
  let pause = FIRST_PAUSE_MS;
  /** @type {number | undefined} */
  let timer;
  /** @type {number | undefined} */
  let looks;

  const stop = () => {
    generation += 1;
    clearTimeout(timer);
    clearInterval(looks);
    player?.destroy();
    player = null;
  };
  byId('watch-close').addEventListener('click', () => {
    stop();
    box.hidden = true;
  });
  video.addEventListener('playing', () => setText(state, 'live'));
  video.addEventListener('waiting', () => setText(state, 'waits for media'));

  /** @param {Library} mpegts @param {string} key */
  const play = (mpegts, key) => {
    stop();
    const mine = generation;
    const startedAt = Date.now();
    const say = (/** @type {string} */ text) => {
      if (mine === generation) setText(state, text);
    };
    const url = new URL(`ace/getstream?id=${key}`, document.baseURI).href;
    // Who has the key may watch, also where media needs a token.
    const config = { ...CONFIG, headers: authorization() };
    const beginAgain = () => {
      if (Date.now() - startedAt > CALM_MS) pause = FIRST_PAUSE_MS;
      generation += 1;
      clearInterval(looks);
      setText(state, 'begins again after a picture that was cut');
      // Not inside its own callback: the library goes on with what it was about.
      timer = window.setTimeout(() => play(mpegts, key), pause);
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    };
    player = mpegts.createPlayer({ type: 'mpegts', isLive: true, url }, config);
    player.on(mpegts.Events.LOADING_COMPLETE, () => say('the proxy has ended the stream'));
    player.on(
      mpegts.Events.ERROR,
      (
        /** @type {string} */ kind,
        /** @type {string} */ detail,
        /** @type {{ msg?: string } | undefined} */ info,
      ) => {
        if (mine !== generation) return;
        say(`${kind}: ${info?.msg ?? detail}`);
        // Where an engine or a worker broke off, a picture is cut: browsers stop at that for good.
        if (kind !== mpegts.ErrorTypes.MEDIA_ERROR) return;
        beginAgain();
      },
    );
    looks = watchPicture(video, beginAgain);
    player.attachMediaElement(video);
    player.load();
    Promise.resolve(player.play()).catch(() => say('press play'));
  };

  /** @param {string} key */
  const watch = async (key) => {
    stop();
    const mine = generation;
    pause = FIRST_PAUSE_MS;
    box.hidden = false;
    box.scrollIntoView({ block: 'nearest' });
    setText(byId('watch-title'), `Watching ${shortKey(key)}`);
    setText(state, 'starts');
    const mpegts = await loadLibrary();
    if (mine !== generation) return;
    if (mpegts.isSupported()) play(mpegts, key);
    else setText(state, 'this browser cannot play MPEG-TS');
  };
  return {
    /** @param {string} key */
    watch: (key) => watch(key).catch((error) => setText(state, String(error.message))),
  };
}

/**
 * After a cut a browser may go on with the sound alone, and reports no error. Calls `onFrozen` then; returns
 * the interval that looks. A hidden page shows no pictures at all.
 * @param {HTMLVideoElement} video
 * @param {() => void} onFrozen
 */
function watchPicture(video, onFrozen) {
  const look = () => ({
    frames: video.getVideoPlaybackQuality().totalVideoFrames,
    time: video.currentTime,
  });
  let before = look();
  let most = 0;
  let still = 0;
  return window.setInterval(() => {
    const now = look();
    const plays = now.time - before.time > LOOK_MS / 2_000 && !document.hidden;
    const frames = now.frames - before.frames;
    most = Math.max(most, frames);
    // Radio has none, and some of it one picture for minutes.
    const frozen = plays && most >= USUAL_FRAMES && frames <= most / 10;
    still = frozen ? still + 1 : 0;
    before = now;
    if (still >= FROZEN_LOOKS) onFrozen();
  }, LOOK_MS);
}
