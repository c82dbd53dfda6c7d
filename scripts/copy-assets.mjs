// Build step: what tsc leaves behind (Lua scripts, the API description, the panel's files for the
// browser) goes to dist as it is.
import { cpSync, readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
for (const entry of readdirSync(join(root, 'src'), { recursive: true })) {
  if (/\.(lua|yaml|html|css|js|svg)$/.test(entry))
    cpSync(join(root, 'src', entry), join(root, 'dist', entry));
}
// By its time it is seen that the build came to its end.
utimesSync(join(root, 'dist'), new Date(), new Date());
