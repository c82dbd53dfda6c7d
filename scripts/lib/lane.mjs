// A lane of `npm test`: runs the test files that it is told, one after the other, with one start of
// mocha and one load of what they share. Ends by itself after the last one, when nothing is left open.
import { createRequire } from 'node:module';
import Mocha from 'mocha';

const TotalsReporter = createRequire(import.meta.url)('./reporter.cjs');

process.on('message', ({ file, options }) => {
  if (file === null) process.disconnect();
  else void run(file, options);
});

async function run(file, options) {
  const mocha = new Mocha({ ...options, forbidOnly: true, reporter: TotalsReporter });
  mocha.addFile(file);
  await mocha.loadFilesAsync();
  const runner = mocha.run(() => {
    mocha.dispose();
    process.send(runner.totals);
  });
}
