// Preloaded into the primary and its workers: at SIGUSR2 it collects garbage and writes what is left.
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { getHeapCodeStatistics, setFlagsFromString, writeHeapSnapshot } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

process.on('SIGUSR2', () => {
  collect();
  // What the first one finalised goes with the second.
  setTimeout(() => {
    collect();
    const memory = process.memoryUsage();
    const code = getHeapCodeStatistics();
    // Functions that run often are compiled again and again; that ends, but not within minutes.
    const heapUsed =
      memory.heapUsed - code.code_and_metadata_size - code.bytecode_and_metadata_size;
    const { external, rss } = memory;
    const handles = process.getActiveResourcesInfo().length;
    const file = `${process.env.SOAK_PROBE_FOLDER}/${process.pid}`;
    if (existsSync(`${file}.snapshot`)) {
      writeHeapSnapshot(readFileSync(`${file}.snapshot`, 'utf8'));
      rmSync(`${file}.snapshot`);
    }
    writeFileSync(`${file}.new`, JSON.stringify({ heapUsed, external, rss, handles }));
    renameSync(`${file}.new`, `${file}.json`);
  }, 100);
});
