// Preloaded into a process tree: its wall clock is ahead of the machine's by TEST_CLOCK_AHEAD_MS.
const ahead = Number(process.env.TEST_CLOCK_AHEAD_MS ?? 0);
const now = Date.now.bind(Date);
Date.now = () => now() + ahead;
