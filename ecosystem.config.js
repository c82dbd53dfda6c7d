// pm2 sends SIGINT and waits `kill_timeout`; its default of 1.6 s would cut every graceful stop.
const shutdownSeconds = Number(process.env.PROXY_SHUTDOWN_TIMEOUT ?? 10);
const graceSeconds = Number.isFinite(shutdownSeconds) ? shutdownSeconds : 10;

/** The exit code of a bad configuration: trying again does not help (sysexits.h: EX_CONFIG). */
const EXIT_CONFIG = 78;

export const apps = [
  {
    name: 'acestream-proxy',
    script: 'dist/primary/main.js',
    // The primary forks its own workers: pm2's cluster mode would put a second cluster round them.
    exec_mode: 'fork',
    instances: 1,
    // Online only when a worker serves (`process.send('ready')`).
    wait_ready: true,
    listen_timeout: 15_000,
    kill_timeout: (graceSeconds + 5) * 1000,
    // Only the primary is signalled; it ends its workers and its Redis in order.
    treekill: false,
    autorestart: true,
    exp_backoff_restart_delay: 200,
    max_restarts: 50,
    stop_exit_codes: [EXIT_CONFIG],
    merge_logs: true,
    env: { NODE_ENV: 'production' },
  },
];
