import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { setStage, type Stage } from '../helpers/stage.js';

const run = promisify(execFile);
const INFOHASH = 'a1b2c3d4e5f60718293a4b5c6d7e8f9001122334';

/** The values of spec 2.2: these checks are about the defaults. */
const DEFAULTS = {
  PROXY_GRACE_PERIOD: '5',
  PROXY_HEARTBEAT_INTERVAL: '10',
  PROXY_CLEANUP_INTERVAL: '60',
  PROXY_OWNER_LOCK_TTL: '6',
  PROXY_JOIN_BEHIND: '2',
  PROXY_STALL_TIMEOUT: '5',
  PROXY_INIT_TIMEOUT: '30',
  PROXY_CONNECTION_TIMEOUT: '10',
  PROXY_SHUTDOWN_TIMEOUT: '10',
};

/** Spec 2.4, with a second player and the waiting in between; $! of the last curl is killed. */
const CHECKS = `
curl -s "http://localhost:8000/ace/getstream?id=INFOHASH" > /dev/null &
FIRST=$!
curl -s "http://localhost:8000/ace/getstream?id=INFOHASH" > /dev/null &
LAST=$!
for i in $(seq 100); do
  [ "$(redis-cli HGET "ace_proxy:stream:INFOHASH:metadata" state)" = active ] && break
  sleep 0.1
done
sleep 1
echo members; redis-cli SMEMBERS "ace_proxy:stream:INFOHASH:clients"
echo streams
curl -s http://localhost:8000/streams?status=started | jq '.[] | select(.key == "INFOHASH")' | jq -c '[.key, .clients, .status]'
kill $FIRST; wait $FIRST 2> /dev/null
sleep 1
echo while-one-watches; redis-cli EXISTS "ace_proxy:stream:INFOHASH:metadata"
kill $LAST; wait $LAST 2> /dev/null
sleep 6
echo after; redis-cli EXISTS "ace_proxy:stream:INFOHASH:metadata"
echo keys; redis-cli KEYS "ace_proxy:stream:INFOHASH*"
`;

describe("The operator's checks", () => {
  let stage: Stage;

  before(async () => {
    // Listings are open while no key is configured (spec 6).
    stage = await setStage({
      engines: [{ source: 'picture' }],
      env: DEFAULTS,
      configureKey: false,
    });
  });

  after(() => stage.end());

  it('find one stream with its clients, and nothing six seconds after the last has left', async () => {
    const { proxy } = stage;
    const script = CHECKS.replaceAll('INFOHASH', INFOHASH).replaceAll(
      'localhost:8000',
      `localhost:${String(proxy.port)}`,
    );
    const prologue = `redis-cli() { command redis-cli -p ${String(proxy.redis.port)} "$@"; }\n`;
    const { stdout } = await run('bash', ['-c', prologue + script]);
    const lines = stdout.trim().split('\n');
    const section = (name: string, next: string): string[] =>
      lines.slice(lines.indexOf(name) + 1, lines.indexOf(next));
    const members = section('members', 'streams');
    expect(members).to.have.length(2);
    for (const member of members) expect(member).to.match(/^[0-9a-f]{24}$/);
    const streams = section('streams', 'while-one-watches');
    expect(streams).to.deep.equal([JSON.stringify([INFOHASH, 2, 'started'])]);
    expect(section('while-one-watches', 'after')).to.deep.equal(['1']);
    expect(lines.slice(lines.indexOf('after'))).to.deep.equal(['after', '0', 'keys']);
    await stage.engine.untilClean();
    expect(stage.engine.witness.starts[INFOHASH]).to.equal(1);
  });
});
