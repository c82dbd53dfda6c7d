/** A player that is a program, and how its pictures are seen from outside. */
export interface Program {
  /** As the table names it. */
  readonly name: string;
  readonly command: string;
  /** What prints the version, and where it stands. */
  readonly version: { readonly args: readonly string[]; readonly pattern: RegExp };
  readonly args: (url: string) => readonly string[];
  /** How a picture is seen, in words for the document. */
  readonly seen: string;
  /** Pictures in all after this line of its output; `undefined`: its standard output is the transport stream. */
  readonly count?: (line: string, frames: number) => number;
  /** Asked on its standard input as often as `ASK_MS`. */
  readonly ask?: string;
  /** It refuses to run as root. */
  readonly refusesRoot?: boolean;
  /** The same program with other settings: measured for its time to picture only. */
  readonly variant?: boolean;
}

export const ASK_MS = 200;

const eachLine =
  (pattern: RegExp) =>
  (line: string, frames: number): number =>
    pattern.test(line) ? frames + 1 : frames;

const FFMPEG_VERSION = { args: ['-version'], pattern: /version (\d[\d.]*)/ };
const MPV_VERSION = { args: ['--version'], pattern: /mpv (\d[\d.]*)/ };
const VLC_VERSION = { args: ['--version'], pattern: /VLC version (\d[\d.]*)/ };

const ffmpeg = {
  command: 'ffmpeg',
  version: FFMPEG_VERSION,
  seen: 'a line of `-f framecrc` for each decoded frame',
  count: eachLine(/^0, /),
};
const decodeWithFfmpeg = (url: string, ...options: readonly string[]): readonly string[] => [
  ...['-nostdin', '-v', 'error', ...options, '-i', url],
  ...['-map', '0:v', '-f', 'framecrc', '-flush_packets', '1', '-'],
];

const mpv = {
  command: 'mpv',
  version: MPV_VERSION,
  seen: 'a line of the filter `showinfo` for each decoded frame',
  count: eachLine(/showinfo_\d+: n: *\d+ pts/),
};
const playWithMpv = (url: string, ...options: readonly string[]): readonly string[] => [
  ...['--no-config', '--vo=null', '--ao=null', '--vf=lavfi=[showinfo]'],
  ...['--msg-level=all=no,ffmpeg=v', ...options, url],
];

const vlc = {
  command: 'cvlc',
  version: VLC_VERSION,
  seen: '"Received first picture" in its log, then "frames displayed" of its statistics',
  count: (line: string, frames: number): number =>
    line.includes('Received first picture')
      ? Math.max(frames, 1)
      : Number(/frames displayed *: *(\d+)/.exec(line)?.[1] ?? frames),
  ask: 'stats\n',
  refusesRoot: true,
};
const playWithVlc = (url: string, ...options: readonly string[]): readonly string[] => [
  ...['-I', 'oldrc', '--rc-fake-tty', '-vv', '--vout', 'dummy', '--aout', 'dummy'],
  ...[...options, url],
];

export const PROGRAMS: readonly Program[] = [
  { ...ffmpeg, name: 'ffmpeg', args: (url) => decodeWithFfmpeg(url) },
  {
    ...ffmpeg,
    name: 'ffmpeg -probesize 65536 -analyzeduration 500000',
    args: (url) => decodeWithFfmpeg(url, '-probesize', '65536', '-analyzeduration', '500000'),
    variant: true,
  },
  {
    name: 'ffprobe',
    command: 'ffprobe',
    version: FFMPEG_VERSION,
    // Without a line buffer it shows nothing for thirteen seconds.
    args: (url) => [
      ...['-v', 'error', '-select_streams', 'v'],
      ...['-show_frames', '-of', 'default', url],
    ],
    seen: '`[FRAME]` in its output, which comes in blocks of about eight',
    count: eachLine(/^\[FRAME\]/),
  },
  { ...vlc, name: 'VLC', args: (url) => playWithVlc(url) },
  {
    ...vlc,
    name: 'VLC --network-caching=300',
    args: (url) => playWithVlc(url, '--network-caching=300'),
    variant: true,
  },
  { ...mpv, name: 'mpv', args: (url) => playWithMpv(url) },
  {
    ...mpv,
    name: 'mpv --profile=low-latency',
    args: (url) => playWithMpv(url, '--profile=low-latency'),
    variant: true,
  },
  {
    name: 'GStreamer',
    command: 'gst-launch-1.0',
    version: { args: ['--version'], pattern: /version (\d[\d.]*)/ },
    args: (url) => [
      ...['-v', 'souphttpsrc', `location=${url}`, 'is-live=true', '!', 'tsdemux', '!'],
      ...['h264parse', '!', 'avdec_h264', '!', 'fakesink', 'silent=false', 'sync=true'],
    ],
    seen: 'a message of `fakesink` for each decoded frame',
    count: eachLine(/last-message = chain/),
  },
  {
    name: 'curl',
    command: 'curl',
    version: { args: ['--version'], pattern: /curl (\d[\d.]*)/ },
    args: (url) => ['-sN', url],
    seen: 'no decoder: a picture that has come whole',
  },
  {
    name: 'wget',
    command: 'wget',
    version: { args: ['--version'], pattern: /Wget (\d[\d.]*)/ },
    args: (url) => ['-q', '-O', '-', url],
    seen: 'no decoder: a picture that has come whole',
  },
];
