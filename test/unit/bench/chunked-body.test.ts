import { expect } from 'chai';
import { ChunkedBody } from '../../bench/chunked-body.js';

const MEDIA = 'abcdefghijklmnopqrstuvwxyz\r\n5\r\n0123456789';
/** Media that looks like framing, in chunks of which two have a size of two digits. */
const BODY = Buffer.from(
  [MEDIA.slice(0, 26), MEDIA.slice(26, 30), MEDIA.slice(30)]
    .map((chunk) => `${chunk.length.toString(16).toUpperCase()}\r\n${chunk}\r\n`)
    .join('') + '0\r\n\r\n',
  'latin1',
);

function mediaOf(...reads: readonly Buffer[]): string {
  const body = new ChunkedBody();
  let media = '';
  for (const read of reads) {
    body.read(read, 0, read.length, (from, to) => (media += read.toString('latin1', from, to)));
  }
  return media;
}

describe('ChunkedBody', () => {
  it('leaves the framing out of one read', () => {
    expect(mediaOf(BODY)).to.equal(MEDIA);
  });

  it('goes on wherever two reads are cut', () => {
    for (let at = 0; at <= BODY.length; at += 1) {
      expect(mediaOf(BODY.subarray(0, at), BODY.subarray(at)), `cut at ${at}`).to.equal(MEDIA);
    }
  });

  it('goes on when every read has one byte', () => {
    expect(mediaOf(...Array.from(BODY, (byte) => Buffer.of(byte)))).to.equal(MEDIA);
  });

  it('begins behind what is not the body, and hands out nothing empty', () => {
    const pieces: [number, number][] = [];
    const read = Buffer.from('head3\r\nabc\r\n2\r\nde\r\n');
    new ChunkedBody().read(read, 4, read.length, (...piece) => pieces.push(piece));
    expect(pieces).to.deep.equal([
      [7, 10],
      [15, 17],
    ]);
  });
});
