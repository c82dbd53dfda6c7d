import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { expect } from 'chai';
import { systemClock } from '../../../src/shared/clock.js';
import { AppError } from '../../../src/shared/errors.js';
import { makeApp } from '../../../src/worker/http/app.js';
import { makeMediaRouter, type MediaDeps } from '../../../src/worker/http/routes/getstream.js';
import { makeServer } from '../../../src/worker/http/server.js';
import { fakeDeps, openAccess } from '../../helpers/http-app.js';

describe('A player that is refused', () => {
  it('leaves nothing on the connection on which it asks again and again', async () => {
    const media = {
      registry: { admit: () => Promise.reject(new AppError('NO_ENGINE')) },
      ...{ access: openAccess(), clock: systemClock },
    };
    const mediaRouter = makeMediaRouter(media as unknown as MediaDeps);
    const server = makeServer(makeApp(fakeDeps({ mediaRouter })));
    const sockets: Socket[] = [];
    const listener = createServer((socket) => {
      sockets.push(socket);
      server.serve(socket);
    }).listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const { port } = listener.address() as AddressInfo;
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const path = `/ace/getstream?id=${'0'.repeat(40)}`;
    const ask = async (): Promise<number> => {
      const asked = get({ host: '127.0.0.1', port, path, agent });
      const [answer] = (await once(asked, 'response')) as [IncomingMessage];
      await once(answer.resume(), 'end');
      return answer.statusCode ?? 0;
    };
    try {
      expect(await ask()).to.equal(503);
      const listeners = sockets[0]?.listenerCount('close');
      for (let n = 0; n < 20; n += 1) expect(await ask()).to.equal(503);
      expect(sockets).to.have.length(1);
      expect(sockets[0]?.listenerCount('close')).to.equal(listeners);
    } finally {
      agent.destroy();
      server.close();
      listener.close();
    }
  });
});
