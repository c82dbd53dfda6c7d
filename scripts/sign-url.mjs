#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { EXIT, OpsError, makeLoader } from './lib/ops.mjs';

const help = `
Usage: node scripts/sign-url.mjs <url> [--hours N | --until TIME] [--user NAME]

Prints the address signed with PROXY_URL_SECRET (environment or config/; the first one of several). It
opens that one thing until its time is over: /ace/getstream with an id, /ace/alias/NAME, or
/playlist.m3u, whose addresses are then signed for the same time. Needs no Redis and no proxy.

  --hours N     how long it is good for, 1 to 87600; default 24
  --until TIME  2030-12-31 (its end, UTC), or 2030-12-31T18:00:00Z
  --user NAME   a user of PROXY_USERS whose limits count, or any name for the records
  -h, --help    this text

Exit codes: 0 done, 2 wrong use`;

const HOUR = 3_600;

try {
  const { values, positionals } = readArgs();
  if (values.help) console.log(help.trim());
  else console.log(await sign(positionals, values));
} catch (error) {
  if (!(error instanceof OpsError)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}

function readArgs() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        hours: { type: 'string' },
        until: { type: 'string' },
        user: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    throw usage(error.message);
  }
}

async function sign([url, ...more], { hours, until, user = null }) {
  if (url === undefined || more.length > 0) throw usage('expected <url>');
  if (hours !== undefined && until !== undefined) throw usage('--hours or --until, not both');
  const load = await makeLoader();
  const { signUrl, USER_NAME } = await load('signed-url');
  const { parseEnd } = await load('end-time');
  if (user !== null && !USER_NAME.test(user)) throw usage('this is no name of a user');
  const end = until === undefined ? null : parseEnd(until);
  if (until !== undefined && end === null)
    throw usage('--until is a day or an instant with a zone');
  const expires =
    Math.floor((end ?? Date.now()) / 1_000) + (end === null ? HOUR * wholeHours(hours) : 0);
  const signed = signUrl(url, await secret(load), { expires, user });
  if (signed === null) throw usage('this is no address of media or of the playlist');
  return signed;
}

async function secret(load) {
  const { loadSettings } = await load('config/load');
  try {
    const [first] = loadSettings({ env: process.env }).settings.access.urlSecrets;
    if (first === undefined) throw usage('PROXY_URL_SECRET is not set');
    return first;
  } catch (error) {
    if (error.name !== 'ConfigError') throw error;
    throw new OpsError(error.message, EXIT.usage);
  }
}

function wholeHours(text = '24') {
  const hours = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : NaN;
  if (!(hours <= 87_600)) throw usage('--hours is a whole number from 1 to 87600');
  return hours;
}

function usage(message) {
  return new OpsError(`${message} (see --help)`, EXIT.usage);
}
