import { expect } from 'chai';
import { FakeClock } from '../../helpers/fake-clock.js';
import { H264, TsWriter, type Program } from '../../helpers/ts-packets.js';
import { LoopKind, NO_LOOP, type LoopVerdict } from '../../../src/worker/engine/loop-detector.js';
import { TsChunker } from '../../../src/worker/engine/ts-chunker.js';
import { QualityWatch } from '../../../src/worker/owner/quality-watch.js';

const VIDEO = 0x101;
const TV: Program = {
  ...{ program: 1, pid: 0x100, pcrPid: VIDEO },
  streams: [{ pid: VIDEO, type: 0x1b }],
};

describe('the quality watch', () => {
  let clock: FakeClock;
  let told: string[];
  let losses: [string, number][];
  let counted: Record<string, number>;
  let watch: QualityWatch;
  let chunker: TsChunker;
  let writer: TsWriter;
  let pcr: number;

  const make = (inheritedFields: Record<string, string> = {}): QualityWatch =>
    new QualityWatch({
      inheritedFields,
      metrics: {
        streamLosses: (kind, count) => (counted[kind] = (counted[kind] ?? 0) + count),
        streamFault: (fault) => (counted[fault] = (counted[fault] ?? 0) + 1),
        streamClock: () => (counted['clock'] = (counted['clock'] ?? 0) + 1),
      },
      story: { note: (what) => void told.push(what) },
      slots: { suffered: (engine, perMinute) => void losses.push([engine, perMinute]) },
      engine: 'e1',
      clock,
    });

  beforeEach(() => {
    clock = new FakeClock();
    told = [];
    losses = [];
    counted = {};
    pcr = 0;
    watch = make();
    chunker = new TsChunker({
      ...{ chunkBytes: 18_800, flushMs: 100, splice: false },
      now: () => clock.monotonic(),
    });
    writer = new TsWriter().tables([TV]);
  });

  afterEach(() => clock.restore());

  /** Seconds of pictures or of null packets only, each with so many lost packets. */
  const play = (seconds: number, { picture = true, lost = 0 } = {}): object => {
    let fields: object = {};
    for (let n = 0; n < seconds; n += 1) {
      for (let part = 0; part < 25; part += 1) {
        pcr += 3_600;
        if (picture) writer.pes(VIDEO, H264.key(), 400, { pcr });
        else writer.nulls(3);
      }
      if (lost > 0) writer.lose(VIDEO, 1).pes(VIDEO, H264.delta(), 100);
      chunker.push(Buffer.concat(writer.packets.splice(0)));
      clock.jump(1_000);
      fields = watch.look(chunker.stats);
    }
    return fields;
  };

  it('writes what it sees into fields, and goes on counting where the owner before ended', () => {
    watch = make({ continuity_errors: '40', loops: '2', sync_losses: 'x' });
    // The last packet of a second is read with the next one.
    const fields = play(15, { lost: 1 });
    expect(fields).to.include({
      ...{ continuity_errors: 54, sync_losses: 0, loops: 2, loop_ms: 0 },
      ...{ has_video: 1, has_audio: 0, losses_per_minute: 14, quality: 'bad' },
      ...{ pcr_interval_max_ms: 40, pcr_interval_mean_ms: 40 },
    });
    watch.opened(chunker.stats);
    const next = new TsChunker({ chunkBytes: 18_800, flushMs: 100, splice: true, now: () => 0 });
    expect(watch.look(next.stats)).to.include({ continuity_errors: 54 });
    expect(counted).to.include({ continuity: 14, clock: 1 });
  });

  it('tells a lasting fault when it comes and when it has gone, but not more than once a minute', () => {
    play(2);
    play(8, { picture: false });
    play(2);
    expect(told).to.include.members(['no video arrives', 'video arrives again']);
    const before = told.length;
    play(8, { picture: false });
    play(2);
    expect(told.length).to.equal(before);
    play(60);
    play(8, { picture: false });
    expect(told.slice(before)).to.include('no video arrives');
    expect(counted['video_silent']).to.equal(3);
  });

  it('says once a minute what the engine lost, and nothing of one that lost nothing', () => {
    play(130, { lost: 1 });
    expect(losses.length).to.equal(2);
    expect(losses[0]![0]).to.equal('e1');
    expect(losses[0]![1]).to.be.within(58, 60);
    losses.length = 0;
    watch.opened(chunker.stats);
    play(130);
    expect(losses).to.deep.equal([]);
  });

  it('leaves a loop twice at once, then keeps what there is and looks elsewhere after five minutes', () => {
    let verdict: LoopVerdict = { kind: LoopKind.Replay, periodMs: 4_000 };
    const source = { loop: () => verdict };
    expect(watch.judge(source)).to.include({ reason: 'loop', kind: 'session' });
    watch.opened(null);
    expect(watch.judge(source)?.message).to.contain('the same 4.0 s');
    watch.opened(null);
    expect(watch.judge(source)).to.equal(null);
    const fields = play(2);
    expect(fields).to.include({
      quality: 'bad',
      quality_faults: 'replay',
      loops: 2,
      loop_ms: 4_000,
    });
    clock.jump(300_000);
    expect(watch.judge(source)).to.include({ reason: 'loop' });
    verdict = { kind: LoopKind.Repeats, periodMs: 4_000 };
    expect(watch.judge(source)).to.equal(null);
    verdict = NO_LOOP;
    expect(watch.judge(source)).to.equal(null);
  });
});
