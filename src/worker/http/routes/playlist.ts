import { raw, type Request, type RequestHandler, type Response, type Router } from 'express';
import { AppError } from '../../../shared/errors.js';
import type { Carried } from '../../access/decide.js';
import type { PlaylistFetch } from '../../playlist/fetch-playlist.js';
import { MAX_PLAYLIST_BYTES, rewriteInSlices } from '../../playlist/rewrite.js';
import type { Guards } from '../auth.js';
import { baseUrl } from '../base-url.js';
import { carry, mediaAsk } from '../credentials.js';
import type { HttpDeps } from '../deps.js';
import { serve } from '../route.js';

/** Without a charset: a playlist goes out in the encoding it came in. */
const PLAYLIST_TYPE = 'audio/x-mpegurl';

/**
 * `/playlist.m3u`: the channels of this proxy, open like the media they lead to; and any other
 * playlist with its streams under this proxy's address. The addresses carry what let in who asked.
 */
export function mountPlaylist(router: Router, deps: HttpDeps, guards: Guards): void {
  const { access } = deps;
  const { channels, publicUrl, fetch } = deps.playlists;
  const send = (response: Response, playlist: Buffer): void => {
    response.set('Content-Type', PLAYLIST_TYPE).send(playlist);
  };
  const carriedBy = async (request: Request): Promise<Carried> =>
    (await access.admitMedia(mediaAsk(request))).carried;
  serve(router, '/playlist.m3u', {
    get: [
      fetchGuard(fetch, guards),
      async (request, response) => {
        const carried = await carriedBy(request);
        const { base, more } = carry(baseUrl(request, publicUrl), carried);
        const foreign = await fetchAsked(request, fetch);
        send(
          response,
          foreign === null
            ? await (await channels.list()).render(base, more)
            : await rewriteInSlices(foreign, base, more),
        );
      },
    ],
    post: [
      guards.whenConfigured,
      // Before the body is read: it may be large.
      async (request, response, next) => {
        response.locals['carried'] = await carriedBy(request);
        next();
      },
      raw({ type: () => true, limit: MAX_PLAYLIST_BYTES }),
      async (request, response) => {
        const body: unknown = request.body;
        if (!Buffer.isBuffer(body) || body.length === 0) {
          throw new AppError('BAD_REQUEST', { reasons: ['send the playlist as the body'] });
        }
        const carried = response.locals['carried'] as Carried;
        const { base, more } = carry(baseUrl(request, publicUrl), carried);
        send(response, await rewriteInSlices(body, base, more));
      },
    ],
  });
}

/** To fetch makes the proxy contact others (spec 6). */
function fetchGuard(fetch: PlaylistFetch | null, guards: Guards): RequestHandler {
  return (request, response, next) => {
    if (request.query['url'] === undefined) next();
    else if (fetch === null) throw new AppError('PLAYLIST_FETCH_OFF');
    else guards.always(request, response, next);
  };
}

/** The playlist behind `url`, or `null` when none was asked for. */
async function fetchAsked(request: Request, fetch: PlaylistFetch | null): Promise<Buffer | null> {
  const address = request.query['url'];
  if (address === undefined || fetch === null) return null;
  return fetch(typeof address === 'string' ? address : '');
}
