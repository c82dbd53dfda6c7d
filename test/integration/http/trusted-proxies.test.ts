import { expect } from 'chai';
import { Router } from 'express';
import { clientAddress } from '../../../src/worker/http/client-address.js';
import { fakeDeps, runApp, type RunningApp } from '../../helpers/http-app.js';

const running: RunningApp[] = [];
afterEach(async () => {
  for (const app of running.splice(0)) await app.close();
});

describe('trusted proxies', () => {
  const ipOf = async (trustedProxies: string[], forwarded = '192.0.2.9'): Promise<string> => {
    const mediaRouter = Router();
    mediaRouter.get('/ace/getstream', (request, response) => {
      response.send(clientAddress(request));
    });
    const app = await runApp(fakeDeps({ settings: { trustedProxies, workers: 1 }, mediaRouter }));
    running.push(app);
    const headers = { 'X-Forwarded-For': forwarded };
    return (await fetch(`${app.url}/ace/getstream`, { headers })).text();
  };

  it('are the only ones whose X-Forwarded-For is believed', async () => {
    expect(await ipOf([])).to.equal('127.0.0.1');
    expect(await ipOf(['10.0.0.0/8'])).to.equal('127.0.0.1');
    expect(await ipOf(['127.0.0.0/8'])).to.equal('192.0.2.9');
  });

  it('may be written in every spelling that the configuration takes', async () => {
    for (const spelling of ['64:ff9b::192.0.2.1', 'fe80::1%eth0', '::ffff:0:0/96']) {
      expect(await ipOf([spelling, '127.0.0.1']), spelling).to.equal('192.0.2.9');
    }
    expect(await ipOf(['::ffff:127.0.0.1'])).to.equal('192.0.2.9');
  });

  it('may add the port, as some load balancers do, also of a proxy in between', async () => {
    const trusted = ['127.0.0.1', '10.0.0.0/8'];
    for (const [forwarded, address] of [
      ['192.0.2.9:50312', '192.0.2.9'],
      ['[2001:db8::9]:50312', '2001:db8::9'],
      ['[2001:db8::9]', '2001:db8::9'],
      ['192.0.2.9:50312, 10.0.0.1:443', '192.0.2.9'],
      ['10.0.0.1, 192.0.2.9:1', '192.0.2.9'],
      ['2001:db8::9:1', '2001:db8::9:1'],
    ] as const) {
      expect(await ipOf(trusted, forwarded), forwarded).to.equal(address);
    }
  });
});
