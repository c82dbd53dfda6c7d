// Preloaded into a process tree: whichever of its processes gets SIGUSR2 runs without a turn of its event loop.
const BLOCK_MS = 20_000;
process.on('SIGUSR2', () => {
  for (const end = Date.now() + BLOCK_MS; Date.now() < end;);
});
