import type { Socket } from 'node:net';

/** True when nothing is queued on the socket; false when it closed or the time is over. */
export function emptied(socket: Socket, deadlineMs: number): Promise<boolean> {
  if (socket.destroyed) return Promise.resolve(false);
  if (socket.writableLength === 0) return Promise.resolve(true);
  return new Promise((resolve) => {
    const done = (result: boolean) => (): void => {
      clearTimeout(timer);
      socket.off('drain', onDrain);
      socket.off('close', onClose);
      resolve(result);
    };
    const onDrain = done(true);
    const onClose = done(false);
    const timer = setTimeout(done(false), deadlineMs);
    socket.on('drain', onDrain);
    socket.on('close', onClose);
  });
}
