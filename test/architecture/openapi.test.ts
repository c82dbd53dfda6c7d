import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import type { Express } from 'express';
import { parse } from 'yaml';
import { ERRORS, type ErrorCode } from '../../src/shared/errors.js';
import { makeApp } from '../../src/worker/http/app.js';
import { makeMediaRouter, type MediaDeps } from '../../src/worker/http/routes/getstream.js';
import { ACCEPTED_IDS } from '../../src/worker/http/stream-request.js';
import { fakeDeps } from '../helpers/http-app.js';

const OPENAPI = new URL('../../src/worker/http/openapi.yaml', import.meta.url);
/** Has a body, and is a listing all the same. */
const CHANGES_NOTHING: ReadonlySet<string> = new Set(['post /playlist.m3u']);
const METHODS = ['get', 'head', 'post', 'put', 'patch', 'delete'];

interface Operation {
  readonly summary?: string;
  readonly operationId?: string;
  readonly security?: readonly object[];
  readonly parameters?: readonly { name: string; in: string }[];
  readonly responses: Readonly<Record<string, unknown>>;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: {
      readonly Error: { properties: { error: { properties: { code: { enum: string[] } } } } };
    };
  };
}
interface Layer {
  readonly route?: { readonly path: string; readonly methods: Readonly<Record<string, boolean>> };
  readonly handle: { readonly stack?: readonly Layer[] };
}

const document = parse(readFileSync(OPENAPI, 'utf8')) as Document;

function documented(): string[] {
  return Object.entries(document.paths).flatMap(([path, operations]) =>
    METHODS.filter((method) => method in operations).map((method) => `${method} ${path}`),
  );
}

/** What express really serves; the handler that answers 405 has no method of its own. */
function served(app: Express): string[] {
  const walk = (layers: readonly Layer[]): string[] =>
    layers.flatMap(({ route, handle }) => {
      if (route === undefined) return walk(handle.stack ?? []);
      const path = route.path.replace(/:(\w+)/g, '{$1}');
      return Object.keys(route.methods)
        .filter((method) => METHODS.includes(method))
        .map((method) => `${method} ${path}`);
    });
  return walk((app as unknown as { router: { stack: Layer[] } }).router.stack);
}

describe('openapi.yaml', () => {
  it('describes every route that is served, and no other', () => {
    const mediaRouter = makeMediaRouter({} as MediaDeps);
    const routes = served(makeApp(fakeDeps({ mediaRouter })));
    expect(routes.sort()).to.deep.equal(documented().sort());
  });

  it('knows every code of the catalogue, and no other', () => {
    const codes = document.components.schemas.Error.properties.error.properties.code.enum;
    expect([...codes].sort()).to.deep.equal(Object.keys(ERRORS).sort());
  });

  it('names for the media route every status a player can get', () => {
    const codes: ErrorCode[] = [
      'BAD_ID',
      'CONTENT_NOT_FOUND',
      'ENGINE_ERROR',
      'NO_ENGINE',
      'START_TIMEOUT',
    ];
    const statuses = codes.map((code) => String(ERRORS[code].status));
    const { responses, parameters } = document.paths['/ace/getstream']?.['get'] as Operation;
    expect(Object.keys(responses)).to.include.members(statuses);
    for (const accepted of ACCEPTED_IDS) {
      expect(parameters?.map(({ name }) => name)).to.include(accepted.split('=')[0]);
    }
  });

  it('gives every operation a name of its own and a summary', () => {
    const operations = Object.values(document.paths).flatMap((item) =>
      METHODS.flatMap((method) => item[method] ?? []),
    );
    const names = operations.map(({ operationId }) => operationId);
    expect(new Set(names).size).to.equal(operations.length);
    for (const { summary, responses } of operations) {
      expect(summary).to.be.a('string').that.is.not.empty;
      expect(responses).to.not.be.empty;
    }
  });

  it('asks for the key for everything that changes something', () => {
    for (const [path, item] of Object.entries(document.paths)) {
      for (const method of ['post', 'put', 'patch', 'delete']) {
        const operation = item[method];
        if (operation === undefined || CHANGES_NOTHING.has(`${method} ${path}`)) continue;
        expect(operation.security, `${method} ${path}`).to.deep.equal([{ key: [] }]);
      }
    }
  });

  it('resolves all its references', () => {
    const text = readFileSync(OPENAPI, 'utf8');
    for (const [, reference] of text.matchAll(/\$ref: '#\/([^']+)'/g)) {
      const target = reference!
        .split('/')
        .reduce<unknown>(
          (node, key) => (node as Record<string, unknown> | undefined)?.[key],
          document,
        );
      expect(target, reference).to.be.an('object');
    }
  });
});
