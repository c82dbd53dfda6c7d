import type { Request, Response, Router } from 'express';
import { AppError } from '../../../shared/errors.js';
import type { Guards } from '../auth.js';
import { loadPanelAssets, PAGE, type PanelAsset } from '../panel-assets.js';
import { pathParam, serve } from '../route.js';

/**
 * Nothing from elsewhere, nothing inline, no frame around it. `blob:` is how a browser names the
 * video that a script feeds.
 */
const PAGE_HEADERS = {
  'Content-Security-Policy':
    "default-src 'self'; media-src 'self' blob:; object-src 'none'; base-uri 'none'; " +
    "form-action 'self'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
} as const;

/** `/panel` and its files: open, because they hold no data. */
export function mountPanel(router: Router, guards: Guards): void {
  const assets = loadPanelAssets();
  serve(router, '/panel', {
    get: [
      guards.network,
      (request, response) => {
        // Links in the page are relative to `/panel`, so that a prefix in front of it does no harm.
        if (request.path.endsWith('/')) {
          response.redirect(308, '../panel');
          return;
        }
        response.set(PAGE_HEADERS);
        send(request, response, assets.get(PAGE));
      },
    ],
  });
  serve(router, '/panel/:file', {
    get: [
      guards.network,
      (request, response) => {
        const name = pathParam(request.params['file']);
        send(request, response, name === PAGE ? undefined : assets.get(name));
      },
    ],
  });
}

function send(request: Request, response: Response, asset: PanelAsset | undefined): void {
  if (asset === undefined) throw new AppError('NOT_FOUND');
  const { type, cacheControl, etag, plain, gzip } = asset;
  response.set({
    ...{ 'Content-Type': type, 'Cache-Control': cacheControl, ETag: etag, Vary: 'Accept-Encoding' },
  });
  if (request.headers['if-none-match']?.includes(etag)) {
    response.status(304).end();
    return;
  }
  const zipped = request.acceptsEncodings('gzip') === 'gzip';
  if (zipped) response.set('Content-Encoding', 'gzip');
  response.end(zipped ? gzip : plain);
}
