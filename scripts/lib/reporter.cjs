// mocha's spec output for people, and the totals in a file for `npm test`.
const { writeFileSync } = require('node:fs');
const { reporters } = require('mocha');

module.exports = class TotalsReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once('end', () => {
      const { passes: passed, failures: failed } = this.stats;
      writeFileSync(options.reporterOptions.output, JSON.stringify({ passed, failed }));
    });
  }
};
