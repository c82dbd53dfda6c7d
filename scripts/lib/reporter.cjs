// mocha's spec output for people, and the totals for `npm test`.
const { reporters } = require('mocha');

module.exports = class TotalsReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once('end', () => {
      const { passes: passed, failures } = this.stats;
      const failed = this.failures.map((test) => test.fullTitle());
      runner.totals = { passed, failed };
    });
  }
};
