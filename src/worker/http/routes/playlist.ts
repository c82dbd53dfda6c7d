import { raw, type Request, type Response, type Router } from 'express';
import { AppError } from '../../../shared/errors.js';
import type { PlaylistFetch } from '../../playlist/fetch-playlist.js';
import { MAX_PLAYLIST_BYTES, rewritePlaylist } from '../../playlist/rewrite.js';
import type { Guards } from '../auth.js';
import { baseUrl } from '../base-url.js';
import type { HttpDeps } from '../deps.js';
import { serve } from '../route.js';

/** Without a charset: a playlist goes out in the encoding it came in. */
const PLAYLIST_TYPE = 'audio/x-mpegurl';

/**
 * `/playlist.m3u`: the channels of this proxy, open like the media they lead to; and any other
 * playlist with its streams under this proxy's address.
 */
export function mountPlaylist(router: Router, deps: HttpDeps, guards: Guards): void {
  const { channels, publicUrl, fetch } = deps.playlists;
  const send = (response: Response, playlist: Buffer): void => {
    response.set('Content-Type', PLAYLIST_TYPE).send(playlist);
  };
  serve(router, '/playlist.m3u', {
    get: [
      (request, response, next) => {
        if (request.query['url'] === undefined) next();
        else if (fetch === null) throw new AppError('PLAYLIST_FETCH_OFF');
        // It makes the proxy contact others (spec 6).
        else guards.always(request, response, next);
      },
      async (request, response) => {
        const base = baseUrl(request, publicUrl);
        const foreign = await fetchAsked(request, fetch);
        send(
          response,
          foreign === null
            ? (await channels.list()).render(base)
            : rewritePlaylist(foreign, base).bytes,
        );
      },
    ],
    post: [
      guards.whenConfigured,
      raw({ type: () => true, limit: MAX_PLAYLIST_BYTES }),
      (request, response) => {
        const body: unknown = request.body;
        if (!Buffer.isBuffer(body) || body.length === 0) {
          throw new AppError('BAD_REQUEST', { reasons: ['send the playlist as the body'] });
        }
        send(response, rewritePlaylist(body, baseUrl(request, publicUrl)).bytes);
      },
    ],
  });
}

/** The playlist behind `url`, or `null` when none was asked for. */
async function fetchAsked(request: Request, fetch: PlaylistFetch | null): Promise<Buffer | null> {
  const address = request.query['url'];
  if (address === undefined || fetch === null) return null;
  return fetch(typeof address === 'string' ? address : '');
}
