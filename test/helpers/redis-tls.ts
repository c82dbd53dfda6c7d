import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** An authority of our own, and what it signed for 127.0.0.1: paths of PEM files. */
export interface TestCertificates {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  remove(): Promise<void>;
}

const DAYS = '2';

export async function makeCertificates(): Promise<TestCertificates> {
  const directory = await mkdtemp(join(tmpdir(), 'redis-tls-'));
  const at = (name: string): string => join(directory, name);
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const [ca, caKey, cert, key, request, names] = [
    ...['ca.pem', 'ca.key', 'cert.pem', 'key.pem', 'request.pem', 'names'].map(at),
  ] as [string, string, string, string, string, string];
  await writeFile(names, 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  const authority = ['-x509', '-days', DAYS, '-subj', '/CN=test authority'];
  await run('openssl', ['req', ...authority, ...curve, '-keyout', caKey, '-out', ca]);
  const wanted = ['-subj', '/CN=127.0.0.1', '-out', request];
  await run('openssl', ['req', ...curve, '-keyout', key, ...wanted]);
  const signer = ['-CA', ca, '-CAkey', caKey, '-CAcreateserial', '-days', DAYS];
  await run('openssl', [
    'x509',
    '-req',
    '-in',
    request,
    ...signer,
    '-extfile',
    names,
    '-out',
    cert,
  ]);
  return { ca, cert, key, remove: () => rm(directory, { recursive: true, force: true }) };
}
