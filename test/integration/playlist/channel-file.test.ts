import { execFileSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { AppError } from '../../../src/shared/errors.js';
import type { LogFields, Logger } from '../../../src/shared/log/logger.js';
import { silentLogger } from '../../helpers/silent-logger.js';
import { ChannelFile } from '../../../src/worker/playlist/channel-file.js';

const HEX = 'a'.repeat(40);
const OTHER = 'b'.repeat(40);

describe('ChannelFile', () => {
  let directory: string;
  let errors: LogFields[];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'channels-test-'));
    errors = [];
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const open = (name = 'channels.json', given = true): ChannelFile => {
    const logger: Logger = {
      ...silentLogger,
      error: (_message, fields) => errors.push(fields ?? {}),
    };
    return new ChannelFile({ path: join(directory, name), given, logger });
  };
  /** As editors do it: a new file takes the name, so that even equal sizes and times differ. */
  const write = (content: unknown, name = 'channels.json'): void => {
    const draft = join(directory, 'draft');
    writeFileSync(draft, typeof content === 'string' ? content : JSON.stringify(content));
    renameSync(draft, join(directory, name));
  };
  const codeOf = async (work: Promise<unknown>): Promise<string> => {
    const thrown = await work.then(
      () => null,
      (error: unknown) => error,
    );
    expect(thrown).to.be.instanceOf(AppError);
    return (thrown as AppError).code;
  };
  const playlist = async (file: ChannelFile): Promise<string> =>
    (await (await file.list()).render('http://p')).toString();

  it('reads a list and reads it again when it has changed', async () => {
    const file = open();
    write([{ name: 'A', id: HEX, alias: 'one' }]);
    expect(await playlist(file)).to.include(HEX);
    expect(await file.find('ONE')).to.deep.equal({ stream: HEX, keyType: 'id' });
    expect(await codeOf(file.find('two'))).to.equal('ALIAS_NOT_FOUND');
    write([{ name: 'A', id: OTHER, alias: 'two' }]);
    expect(await file.find('two')).to.deep.equal({ stream: OTHER, keyType: 'id' });
    expect(await codeOf(file.find('one'))).to.equal('ALIAS_NOT_FOUND');
    expect(await playlist(file))
      .to.include(OTHER)
      .and.not.include(HEX);
  });

  it('reads a playlist by its ending', async () => {
    write(`#EXTM3U\n#EXTINF:-1 alias="one",A\nacestream://${HEX}\n`, 'list.m3u8');
    const file = open('list.m3u8');
    expect(await playlist(file)).to.include(`http://p/ace/getstream?id=${HEX}\n`);
    expect((await file.find('one')).stream).to.equal(HEX);
  });

  it('keeps the last good list while the file has faults, and tells of them once', async () => {
    const file = open();
    write([{ name: 'A', id: HEX, alias: 'one' }]);
    await file.refresh();
    write([{ id: 'x' }]);
    for (let use = 0; use < 3; use += 1) expect(await playlist(file)).to.include(HEX);
    expect((await file.find('one')).stream).to.equal(HEX);
    expect(errors).to.have.lengthOf(1);
    expect(errors[0]?.['faults']).to.deep.equal([
      'channel 1: name is missing',
      'channel 1: id: this is not a content id',
    ]);
    expect(errors[0]?.['instead']).to.equal('the last good one');
    rmSync(join(directory, 'channels.json'));
    expect(await playlist(file)).to.include(HEX);
    expect(errors).to.have.lengthOf(2);
    write([{ name: 'B', id: OTHER }]);
    expect(await playlist(file)).to.include(OTHER);
    expect(errors).to.have.lengthOf(2);
  });

  it('answers an error while there never was a good list', async () => {
    const file = open();
    for (const prepare of [
      () => undefined,
      () => write('['),
      () => truncateSync(join(directory, 'channels.json'), 3 * 1_024 * 1_024),
    ]) {
      prepare();
      expect(await codeOf(file.list())).to.equal('BAD_CHANNELS');
      expect(await codeOf(file.find('one'))).to.equal('BAD_CHANNELS');
    }
    expect(errors.map(({ instead }) => instead)).to.deep.equal(['none', 'none', 'none']);
    write([{ name: 'A', id: HEX }]);
    expect(await playlist(file)).to.include(HEX);
  });

  it('needs no file in the default place', async () => {
    const file = open('channels.json', false);
    expect(await codeOf(file.list())).to.equal('NO_CHANNELS');
    expect(await codeOf(file.find('one'))).to.equal('ALIAS_NOT_FOUND');
    write([{ name: 'A', id: HEX }]);
    expect(await playlist(file)).to.include(HEX);
    rmSync(join(directory, 'channels.json'));
    expect(await codeOf(file.list())).to.equal('NO_CHANNELS');
    expect(errors).to.deep.equal([]);
  });

  it('refuses a directory and does not wait at a pipe', async () => {
    expect(await codeOf(open('.').list())).to.equal('BAD_CHANNELS');
    execFileSync('mkfifo', [join(directory, 'pipe.m3u')]);
    expect(await codeOf(open('pipe.m3u').list())).to.equal('BAD_CHANNELS');
    expect(errors).to.have.lengthOf(2);
  });

  it('shares one look among all who ask at once', async () => {
    const file = open();
    write([{ name: 'A', id: HEX }]);
    const lists = await Promise.all(Array.from({ length: 50 }, () => file.list()));
    expect(new Set(lists).size).to.equal(1);
  });
});

describe('the sample of a list', () => {
  it('is a good one', async () => {
    const path = new URL('../../../config/channels.example.json', import.meta.url).pathname;
    const file = new ChannelFile({ path, given: true, logger: silentLogger });
    expect((await file.list()).streams).to.equal(3);
    expect([...(await file.list()).aliases.keys()]).to.deep.equal(['news', 'sport']);
  });
});
