// The container's health check: exit 0 when the proxy on this host can serve players.
const port = process.env.PROXY_PORT ?? '8000';
try {
  const answer = await fetch(`http://127.0.0.1:${port}/health/ready`, {
    signal: AbortSignal.timeout(2_500),
  });
  process.exit(answer.ok ? 0 : 1);
} catch {
  process.exit(1);
}
