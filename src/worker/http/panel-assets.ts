import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname } from 'node:path';
import { gzipSync } from 'node:zlib';

/** A file of the panel, ready to be sent. */
export interface PanelAsset {
  readonly type: string;
  readonly cacheControl: string;
  /** Of the content: what the browser asks with when it has the file. */
  readonly etag: string;
  readonly plain: Buffer;
  readonly gzip: Buffer;
}

const FOLDER = new URL('./panel/', import.meta.url);
/** The page itself; it is no file below `/panel/`. */
export const PAGE = 'index.html';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Asked for again each time, which costs a 304: an upgrade of the proxy shows at once. */
const OWN_FILES = 'no-cache';
/** Their names carry the version. */
const LIBRARIES = 'public, max-age=31536000, immutable';

/** The browser's libraries, from the packages themselves: placeholder in the page → file. */
const PACKAGES = [
  { name: 'mpegts.js', file: 'dist/mpegts.js', placeholder: '%MPEGTS%' },
  { name: 'uplot', file: 'dist/uPlot.iife.min.js', placeholder: '%UPLOT_JS%' },
  { name: 'uplot', file: 'dist/uPlot.min.css', placeholder: '%UPLOT_CSS%' },
] as const;

/** Everything the panel is made of, by its name below `/panel/`. */
export function loadPanelAssets(): ReadonlyMap<string, PanelAsset> {
  const assets = new Map<string, PanelAsset>();
  const names = new Map<string, string>();
  const packages = createRequire(import.meta.url);
  for (const { name, file, placeholder } of PACKAGES) {
    const { version } = packages(`${name}/package.json`) as { readonly version: string };
    const ending = file.endsWith('.css') ? '.css' : '.js';
    const served = `${name.replace(/\.js$/, '')}-${version}${ending}`;
    names.set(placeholder, served);
    assets.set(
      served,
      makeAsset(served, readFileSync(packages.resolve(`${name}/${file}`)), LIBRARIES),
    );
  }
  for (const name of readdirSync(FOLDER)) {
    if (!(extname(name) in TYPES)) continue;
    const content = readFileSync(new URL(name, FOLDER));
    const filled = name === PAGE ? Buffer.from(fill(content.toString('utf8'), names)) : content;
    assets.set(name, makeAsset(name, filled, OWN_FILES));
  }
  return assets;
}

function fill(page: string, names: ReadonlyMap<string, string>): string {
  return [...names].reduce((text, [placeholder, name]) => text.replaceAll(placeholder, name), page);
}

function makeAsset(name: string, plain: Buffer, cacheControl: string): PanelAsset {
  return {
    type: TYPES[extname(name)] ?? 'application/octet-stream',
    cacheControl,
    etag: `W/"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`,
    plain,
    gzip: gzipSync(plain),
  };
}
