import { expect } from 'chai';
import { AppError } from '../../../src/shared/errors.js';
import {
  classifyRedisFailure,
  explainRefusal,
  toRedisError,
} from '../../../src/shared/redis/failures.js';

const error = (message: string, more: object = {}): Error =>
  Object.assign(new Error(message), more);

describe('classifyRedisFailure', () => {
  const away = [
    error('LOADING Redis is loading the dataset in memory'),
    error("READONLY You can't write against a read only replica."),
    error('MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to no.'),
    error('CLUSTERDOWN The cluster is down'),
    error('CLUSTERDOWN Hash slot not served'),
    error('TRYAGAIN Multiple keys request during rehashing of slot'),
    error('NOREPLICAS Not enough good replicas to write.'),
    error('MISCONF Redis is configured to save RDB snapshots, but it is unable to persist to disk'),
    error("Stream isn't writeable and enableOfflineQueue options is false"),
    error("Cluster isn't ready and enableOfflineQueue options is false"),
    error('Connection is closed.'),
    error('Command timed out'),
    error('Too many Cluster redirections. Last error: Error: MOVED 1 127.0.0.1:1'),
    error('Failed to refresh slots cache.'),
    error('None of startup nodes is available'),
    error('All sentinels are unreachable. Retrying from scratch after 50ms.'),
    error('connect', { code: 'ECONNREFUSED' }),
    error('getaddrinfo EAI_AGAIN redis'),
  ];
  for (const one of away) {
    it(`takes "${one.message}" for a Redis that is away`, () => {
      expect(classifyRedisFailure(one)).to.equal('away');
      expect(toRedisError(one))
        .to.be.instanceOf(AppError)
        .with.property('code', 'REDIS_UNAVAILABLE');
    });
  }

  const refused: readonly (readonly [Error, RegExp])[] = [
    [error('NOAUTH Authentication required.'), /REDIS_PASSWORD/],
    [error('WRONGPASS invalid username-password pair or user is disabled.'), /user and password/],
    [error('ERR AUTH <password> called without any password configured'), /remove REDIS_PASSWORD/],
    [error("NOPERM this user has no permissions to run the 'info' command"), /docs\/operations/],
    [error("ERR The user executing the script can't run this command"), /docs\/operations/],
    [error('MOVED 5798 127.0.0.1:7001'), /REDIS_CLUSTER/],
    [error("CROSSSLOT Keys in request don't hash to the same slot"), /PROXY_REDIS_HASH_TAGS/],
    [error('ERR This instance has cluster support disabled'), /REDIS_CLUSTER names/],
    [error('ERR DB index is out of range'), /REDIS_DB/],
    [
      error('connected to sentinel a:1 successfully, but got an invalid reply: null'),
      /SENTINEL_NAME/,
    ],
    [error('self-signed certificate', { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }), /REDIS_TLS_CA/],
    [error('certificate has expired', { code: 'CERT_HAS_EXPIRED' }), /REDIS_TLS_CA/],
    [error('wrong', { code: 'ERR_TLS_CERT_ALTNAME_INVALID' }), /names other hosts/],
    [error('SSL routines:ssl3_get_record:wrong version number'), /speaks no TLS/],
  ];
  for (const [one, remedy] of refused) {
    it(`takes "${one.message}" for a setting that is wrong, and names it`, () => {
      expect(classifyRedisFailure(one)).to.equal('refused');
      expect(explainRefusal(one)).to.match(remedy);
      expect(toRedisError(one))
        .to.be.instanceOf(AppError)
        .with.property('code', 'REDIS_UNAVAILABLE');
    });
  }

  it('knows a full Redis, and the last error of a Cluster', () => {
    expect(
      classifyRedisFailure(error("OOM command not allowed when used memory > 'maxmemory'.")),
    ).to.equal('full');
    const last = error('Failed to refresh slots cache.', { lastNodeError: error('NOAUTH x') });
    expect(classifyRedisFailure(last)).to.equal('refused');
  });

  it('leaves everything else a defect', () => {
    for (const one of [error('ERR wrong number of arguments'), new TypeError('x'), 'text', null]) {
      expect(classifyRedisFailure(one)).to.equal('defect');
      expect(explainRefusal(one)).to.equal(null);
    }
    const defect = new TypeError('x');
    expect(toRedisError(defect)).to.equal(defect);
  });
});
