import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** What ffmpeg complains about while it decodes everything, and how many pictures it found. */
export async function decode(
  bytes: Buffer,
  ...options: string[]
): Promise<{ complaints: string; frames: number }> {
  const input = ['-v', 'warning', '-f', 'mpegts', '-i', '-', '-map', '0'];
  const ffmpeg = spawn('ffmpeg', [...input, ...options, '-progress', 'pipe:1', '-f', 'null', '-']);
  let complaints = '';
  let frames = 0;
  ffmpeg.stderr.on('data', (part: Buffer) => (complaints += part.toString()));
  ffmpeg.stdout.on('data', (part: Buffer) => {
    for (const [, count] of part.toString().matchAll(/frame=(\d+)/g)) frames = Number(count);
  });
  // It hangs up when it has seen as much as it was told to.
  ffmpeg.stdin.on('error', () => undefined);
  ffmpeg.stdin.end(bytes);
  const [code] = (await once(ffmpeg, 'close')) as [number];
  return { complaints: code === 0 ? complaints : `exit code ${code}: ${complaints}`, frames };
}

export async function hasFfmpeg(): Promise<boolean> {
  const probe = spawn('ffmpeg', ['-version'], { stdio: 'ignore' });
  return new Promise((resolve) =>
    probe.on('error', () => resolve(false)).on('close', () => resolve(true)),
  );
}
