import { expect } from 'chai';
import fc from 'fast-check';
import type { StreamId } from '../../../src/shared/ids.js';
import { clientView } from '../../../src/shared/inspect/client-view.js';
import { ringView } from '../../../src/shared/inspect/ring-view.js';
import {
  endedStreamView,
  parseEnded,
  streamDetail,
  streamView,
} from '../../../src/shared/inspect/stream-view.js';

const STREAM = 'c'.repeat(40) as StreamId;
const facts = (metadata: Record<string, string>) => ({
  stream: STREAM,
  metadata,
  owner: 'host:1:a',
  clients: 2,
});
const mark = (i: number, more: object = {}): string =>
  JSON.stringify({ i, t: 1, at: i * 1_000, s: 188, j: [], tb: null, sp: 0, ...more });

describe('streamView', () => {
  it('shows what an orchestrator client looks for', () => {
    const view = streamView(
      facts({
        key_type: 'content_id',
        state: 'active',
        engine_id: 'e1',
        container_id: 'c1',
        engine_host: 'h',
        engine_port: '6878',
        playback_session_id: 'p',
        is_live: '1',
        init_time: '0',
        bitrate: '1000',
        peers: '3',
        speed_down: '12.5',
      }),
    );
    expect(view).to.include({
      id: `${STREAM}|p`,
      key: STREAM,
      key_type: 'content_id',
      status: 'started',
      state: 'active',
      container_id: 'c1',
      engine_port: 6878,
      is_live: true,
      started_at: '1970-01-01T00:00:00.000Z',
      ended_at: null,
      owner: 'host:1:a',
      clients: 2,
      bitrate: 1000,
      peers: 3,
      speed_down: 12.5,
    });
  });

  it('names the engine by its id in the registry where it has no container', () => {
    expect(streamView(facts({ engine_id: 'e1', container_id: '' })).container_id).to.equal('e1');
  });

  it('calls a stream in a final state ended, although its keys are still there', () => {
    const view = streamView(facts({ state: 'error', state_changed_at: '1000', init_time: '0' }));
    expect(view).to.include({ status: 'ended', ended_at: '1970-01-01T00:00:01.000Z' });
  });

  it('turns any text at all into values that JSON can carry', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string()), (metadata) => {
        const detail = streamDetail(facts(metadata), {
          ring: ringView(metadata, metadata['index'] ?? null),
          stopping: false,
          lastData: metadata['last'] ?? null,
        });
        expect(JSON.parse(JSON.stringify(detail))).to.deep.equal(detail);
      }),
    );
  });

  it('shows unknown numbers as null and never as NaN', () => {
    const view = streamView(
      facts({ peers: 'many', bitrate: '', init_time: '9e99', term: '1e999' }),
    );
    expect(view).to.include({ peers: null, bitrate: null, started_at: null, term: null });
  });
});

describe('the history of streams', () => {
  it('reads back what the owner wrote', () => {
    const view = endedStreamView(facts({ init_time: '0' }), 5_000);
    expect(parseEnded(JSON.stringify(view))).to.deep.equal(view);
    expect(view).to.include({
      status: 'ended',
      ended_at: '1970-01-01T00:00:05.000Z',
      owner: null,
    });
  });

  it('skips entries that are none', () => {
    for (const text of ['', '{', 'null', '[]', '"x"', '{}', '{"key":1}']) {
      expect(parseEnded(text), text).to.be.null;
    }
  });
});

describe('ringView', () => {
  it('measures the window and leaves the tables out', () => {
    const marks = {
      9: mark(9, { j: [0, 188] }),
      10: mark(10),
      11: mark(11, { sp: 1, t: 2, s: 376 }),
      'tables:x': 'R0c=',
    };
    expect(ringView(marks, '11')).to.deep.equal({
      head: 11,
      tail: 9,
      chunks: 3,
      bytes: 752,
      seconds: 2,
      term: 2,
      joins: 2,
      splices: 1,
    });
  });

  it('takes the head from the index, which marks may lag behind', () => {
    expect(ringView({ 9: mark(9) }, '12').head).to.equal(12);
    expect(ringView({ 9: mark(9) }, null).head).to.equal(9);
    expect(ringView({}, null)).to.include({ head: null, tail: null, chunks: 0, seconds: 0 });
  });

  it('passes over marks it cannot read', () => {
    expect(ringView({ 1: mark(1), 2: '{', 3: 'null', 4: '{"i":4}' }, '4').chunks).to.equal(1);
  });
});

describe('clientView', () => {
  it('shows numbers as numbers', () => {
    expect(
      clientView('x', { bytes_sent: '188', avg_rate_KBps: '1.5', ip_address: '::1' }),
    ).to.include({
      id: 'x',
      bytes_sent: 188,
      avg_rate_KBps: 1.5,
      chunks_sent: 0,
      connected_at: null,
      ip_address: '::1',
    });
  });
});
