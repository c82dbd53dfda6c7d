import type { FileFault } from '../../shared/watched-file.js';
import { AliasBook, ChannelListError, type ChannelList } from './channel-list.js';
import { playlistLines, rewriteInSlices, rewritePlaylist, streamLine } from './rewrite.js';

/** A byte order mark may stand before it: bytes are characters here. */
const EXTINF = /^(?:\xef\xbb\xbf)?\s*#EXTINF:/i;
const NO_ADDRESS = /^\s*(?:#|$)/;
const ALIAS_ATTRIBUTE = /\salias="([^"]*)"/i;

/**
 * A playlist as the list of channels: it is offered as it is, with the addresses of this proxy. The
 * attribute `alias="…"` of an `#EXTINF` names the stream that follows. Throws `ChannelListError`
 * with every fault.
 */
export function parseChannelM3u(file: Buffer): ChannelList {
  const { streams } = rewritePlaylist(file, '');
  const aliases = new AliasBook();
  const faults: FileFault[] = [];
  if (streams === 0) {
    faults.push({ where: 'the file', message: 'has no stream that this proxy can play' });
  }
  let alias: string | undefined;
  for (const line of playlistLines(file)) {
    if (EXTINF.test(line)) alias = ALIAS_ATTRIBUTE.exec(line)?.[1];
    if (alias === undefined || EXTINF.test(line) || NO_ADDRESS.test(line)) continue;
    const content = streamLine(line)?.content;
    const message =
      content === undefined
        ? 'what follows is no stream that this proxy can play'
        : aliases.add(alias, content);
    if (message !== null) faults.push({ where: `alias="${alias}"`, message });
    alias = undefined;
  }
  if (faults.length > 0) throw new ChannelListError(faults);
  return {
    aliases: aliases.contents,
    streams,
    render: (base, more) => rewriteInSlices(file, base, more),
  };
}
