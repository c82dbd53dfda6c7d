// Tables in documents that are made from what is written elsewhere.

/** A table of Markdown, padded as prettier pads tables. */
export function table(headings, rows) {
  const escaped = rows.map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = headings.map((heading, at) =>
    Math.max(...[heading, ...escaped.map((row) => row[at])].map(({ length }) => length)),
  );
  const line = (row) => `| ${row.map((cell, at) => cell.padEnd(widths[at])).join(' | ')} |`;
  const ruler = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [line(headings), ruler, ...escaped.map(line)].join('\n');
}

/** The document with each section between its two marks rendered anew. */
export function withSections(document, name, sections) {
  return sections.reduce((text, { name: section, render }) => {
    const [opening, closing] = [`<!-- ${section}:start -->`, `<!-- ${section}:end -->`];
    const start = text.indexOf(opening);
    const end = text.indexOf(closing);
    if (start < 0 || end < start) throw new Error(`${name} lacks ${opening} … ${closing}`);
    return `${text.slice(0, start + opening.length)}\n\n${render()}\n\n${text.slice(end)}`;
  }, document);
}
