import { fileKey, VARIABLE_NAMES, VARIABLES } from './schema.js';
import type { Variable } from './variable.js';

const HEADINGS = ['Variable', 'Key in a file', 'Default', 'Unit', 'Meaning'] as const;

/** The settings reference of README.md, padded as prettier pads tables. */
export function configTable(): string {
  const rows = VARIABLE_NAMES.map((name) => {
    const variable: Variable<unknown> = VARIABLES[name];
    return [
      `\`${name}\``,
      `\`${fileKey(name)}\``,
      shownDefault(variable),
      variable.unit,
      variable.doc.replaceAll('|', '\\|'),
    ];
  });
  const widths = HEADINGS.map((heading, at) =>
    Math.max(...[heading, ...rows.map((row) => row[at] ?? '')].map(({ length }) => length)),
  );
  const cells = (row: readonly string[]): string =>
    `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  const ruler = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [cells(HEADINGS), ruler, ...rows.map(cells)].join('\n');
}

/** `.env.example`: every variable with its default, commented out. */
export function envExample(): string {
  const intro = [
    '# Every variable of the proxy with its default: made by scripts/config-table.mjs.',
    '# Use it with `node --env-file`, docker compose or systemd; the proxy reads no .env by itself.',
  ];
  const blocks = VARIABLE_NAMES.map((name) => {
    const variable: Variable<unknown> = VARIABLES[name];
    const unit = variable.unit === '' ? '' : ` (${variable.unit})`;
    const preset =
      variable.default === null && variable.shownDefault !== undefined
        ? [`# Default: ${variable.shownDefault}.`]
        : [];
    return [
      `# ${variable.doc.replaceAll('`', '')}${unit}`,
      ...preset,
      `#${name}=${variable.default ?? ''}`,
    ].join('\n');
  });
  return `${[intro.join('\n'), ...blocks].join('\n\n')}\n`;
}

function shownDefault(variable: Variable<unknown>): string {
  if (variable.shownDefault !== undefined) return variable.shownDefault;
  return variable.default === null ? '–' : `\`${variable.default}\``;
}
