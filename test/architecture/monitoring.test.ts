import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { parse } from 'yaml';
import { Metrics } from '../../src/shared/metrics/definitions.js';
import { renderMetrics } from '../../src/shared/metrics/render.js';

const read = (path: string): string =>
  readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: Readonly<Record<'h' | 'w' | 'x' | 'y', number>>;
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly { readonly expr: string }[];
}

/** Every series that a page of a proxy can have, with those of histograms. */
async function seriesNames(): Promise<ReadonlySet<string>> {
  const { body } = await renderMetrics({
    registries: [await new Metrics().toJSON()],
    missing: 0,
    workers: [],
  });
  const names = new Set<string>();
  for (const [, name = '', type] of body.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    for (const suffix of suffixes) names.add(name + suffix);
  }
  return names;
}

const named = (text: string): string[] => [...new Set(text.match(/\bace_proxy_\w+/g))];

describe('the files for monitoring', () => {
  for (const path of ['deploy/grafana/acestream-proxy.json', 'deploy/prometheus/alerts.yml']) {
    it(`name only metrics that exist: ${path}`, async () => {
      const known = await seriesNames();
      const used = named(read(path));
      expect(used).to.have.length.greaterThan(5);
      expect(used.filter((name) => !known.has(name))).to.deep.equal([]);
    });
  }

  it('show every metric somewhere, in a dashboard whose panels do not overlap', async () => {
    const dashboard = JSON.parse(read('deploy/grafana/acestream-proxy.json')) as {
      readonly schemaVersion: number;
      readonly panels: readonly Panel[];
      readonly templating: { readonly list: readonly { readonly name: string }[] };
    };
    expect(dashboard.schemaVersion).to.be.at.least(39);
    expect(dashboard.templating.list.map(({ name }) => name)).to.include('datasource');
    const { panels } = dashboard;
    expect(new Set(panels.map(({ id }) => id)).size).to.equal(panels.length);
    const cells = panels.flatMap(({ gridPos: { h, w, x, y } }) =>
      Array.from({ length: h * w }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
    );
    expect(new Set(cells).size, 'cells of the grid').to.equal(cells.length);
    for (const { type, title, datasource, targets = [] } of panels) {
      if (type === 'row') continue;
      expect(datasource?.uid, title).to.equal('${datasource}');
      expect(targets, title).to.not.be.empty;
    }
    const shown = named(
      panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)).join(),
    );
    const families = [...(await seriesNames())].map((name) =>
      name.replace(/_(bucket|sum|count)$/, ''),
    );
    const hidden = families.filter((name) => !shown.some((each) => each.startsWith(name)));
    const unwatched = ['ace_proxy_build_info', 'ace_proxy_access_refused_total'];
    expect(
      hidden.filter((name) => !unwatched.includes(name) && !name.includes('_pcr_')),
    ).to.deep.equal([]);
  });

  it('have alerts with a name of their own, an expression, a summary and a remedy', () => {
    const { groups } = parse(read('deploy/prometheus/alerts.yml')) as {
      groups: { rules: { alert: string; expr: string; annotations: Record<string, string> }[] }[];
    };
    const rules = groups.flatMap((group) => group.rules);
    expect(new Set(rules.map(({ alert }) => alert)).size).to.equal(rules.length);
    for (const { alert, expr, annotations } of rules) {
      expect(expr, alert).to.match(/[<>=]/);
      expect(annotations, alert).to.have.all.keys('summary', 'description');
    }
  });
});
