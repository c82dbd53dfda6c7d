import { Socket, type OnReadOpts } from 'node:net';
import { TLSSocket } from 'node:tls';

/** What is used of libuv's handle of a TCP connection, as `lib/net.js` of Node 20 uses it. */
interface ReadingHandle {
  reading: boolean;
  readStop(): number;
}

/**
 * Takes a TCP connection out of its socket object before another byte is read from it, and returns
 * it in a new one that does not read: `process.send` carries it to another process from there, or
 * `resume` goes on here, into the memory of `onread` where that is given. What had been read stays in the old object, which is without a connection
 * from now on: destroying it closes nothing. `null`, and nothing is changed, for TLS, while bytes
 * are queued for sending, when the socket is closed, and where Node has no such handle.
 *
 * The only door to Node's private `_handle`. No public way exists: a paused socket goes on reading
 * into its buffer, a socket that came over IPC reads from its construction on (a primary that let it
 * lost one read of 64 KB), and `process.send` leaves the handle reading until the receiver has
 * confirmed, with nobody to take the bytes.
 */
export function takeConnection(socket: Socket, onread?: OnReadOpts): Socket | null {
  if (socket.destroyed || socket.writableLength > 0 || socket instanceof TLSSocket) return null;
  const holder = socket as unknown as { _handle?: unknown };
  const handle = holder._handle;
  if (!isReadingHandle(handle)) return null;
  handle.reading = false;
  handle.readStop();
  holder._handle = null;
  // The first two options are not documented; the second one keeps it from reading.
  const options = { handle, pauseOnCreate: true, readable: true, writable: true };
  const reading = { ...options, ...(onread && { onread }) };
  return new Socket(reading);
}

function isReadingHandle(value: unknown): value is ReadingHandle {
  if (typeof value !== 'object' || value === null) return false;
  return typeof (value as Partial<ReadingHandle>).readStop === 'function';
}
