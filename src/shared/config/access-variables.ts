import { jsonPath } from './formats.js';
import { networkList, secretList } from './list-formats.js';
import type { Variable } from './variable.js';

/** As they may stand in the path of an address (RFC 3986, unreserved). */
const MEDIA_TOKEN = /^[A-Za-z0-9._~-]{8,128}$/;
const URL_SECRET = /^[\x21-\x2b\x2d-\x7e]{16,512}$/;

/** Who may have media, and from where the proxy may be asked (spec 6). */
export const ACCESS_VARIABLES = {
  PROXY_MEDIA_TOKEN: {
    format: secretList(MEDIA_TOKEN, '8 to 128 letters, digits and . _ ~ -'),
    default: null,
    unit: '',
    doc: 'Media needs this token, the token of a user, or a signed address. Several are accepted while it is changed.',
    sensitive: true,
  },
  PROXY_USERS: {
    format: jsonPath(),
    default: null,
    unit: '',
    doc: 'A `.json` file of users with tokens, limits and expiry, relative to the working directory; see docs/security.md. Read again when it changes.',
  },
  PROXY_URL_SECRET: {
    format: secretList(URL_SECRET, '16 to 512 visible ASCII characters without commas'),
    default: null,
    unit: '',
    doc: 'Media takes addresses that are signed with this secret. The first of several signs; all are accepted.',
    sensitive: true,
  },
  PROXY_MEDIA_NETWORKS: {
    format: networkList(),
    default: null,
    shownDefault: 'everywhere',
    unit: '',
    doc: 'From where media may be asked for: IP addresses and networks, comma-separated.',
  },
  PROXY_MANAGEMENT_NETWORKS: {
    format: networkList(),
    default: null,
    shownDefault: 'everywhere',
    unit: '',
    doc: 'From where every other route but `/health` may be asked for: IP addresses and networks, comma-separated.',
  },
} as const satisfies Record<string, Variable<unknown>>;
