// The layers of src/: a module uses what stands before it, and nothing else. Needs no running system:
// `node --test tests/core/dev/layers.test.js` is enough.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from '../../../dev/paths.js';

/** Each module may use the modules before it: those of the layers above its own here, and the earlier ones of its own. */
const LAYERS = {
  'base types': ['text', 'url', 'id', 'public_key', 'secret_patterns', 'json', 'headers', 'message'],
  'config, errors': ['error', 'formats', 'services', 'config'],
  'endpoints and state': ['hooks', 'endpoint', 'registry', 'manifest', 'runtime', 'isolate', 'sealing'],
  stages: ['route', 'body', 'verify', 'relayed', 'scope', 'forward', 'browser', 'respond'],
  pipeline: ['pipeline', 'jobs', 'endpoints'],
  systems: ['systems'],
  'platform and entry': ['platform', 'fuzzing', 'lib'],
};
const ORDER = Object.values(LAYERS).flat();

/** The code of a file without its tests and comments. Tests stand at the end of a file, or in a file of their own. */
const codeOf = (text) =>
  text.split(/^#\[cfg\(test\)\]\n(?:pub(?:\(crate\))? )?mod \w+ \{/m)[0].replaceAll(/\/\/.*$/gm, '');

/** The modules of the crate that a text uses, by the first word after `crate::`. */
const uses = (text) => {
  const grouped = [...text.matchAll(/\bcrate::\{([^;]*)\};/g)].flatMap(([, group]) => {
    // The names of the group itself, without those of groups inside it.
    let flat = group;
    while (/\{[^{}]*\}/.test(flat)) flat = flat.replaceAll(/\{[^{}]*\}/g, '');
    return flat.split(',').map((name) => name.trim().split('::')[0]);
  });
  return new Set([...[...text.matchAll(/\bcrate::(\w+)/g)].map(([, name]) => name), ...grouped].filter(Boolean));
};

/** The faults of a file of a module. */
const faults = (module, path, text) => {
  const own = ORDER.indexOf(module);
  if (own < 0) return [`${path}: ${module} stands in no layer`];
  return [...uses(codeOf(text))]
    .filter((used) => used !== module && (ORDER.indexOf(used) < 0 || ORDER.indexOf(used) > own))
    .map((used) => `${path} uses ${used}`);
};

const filesUnder = (path) =>
  statSync(path).isDirectory() ? readdirSync(path).flatMap((name) => filesUnder(join(path, name))) : [path];
const isTest = (path) => /\/tests(\/|\.rs$)/.test(path);

test('a module of src uses only modules of the layers before it', () => {
  const src = join(root, 'src');
  const modules = readdirSync(src).filter((name) => !name.endsWith('.js'));
  assert.deepEqual(
    modules.map((name) => name.replace(/\.rs$/, '')).sort(),
    [...ORDER].sort(),
    'each file and folder of src stands in a layer',
  );
  const found = modules.flatMap((name) =>
    filesUnder(join(src, name))
      .filter((path) => path.endsWith('.rs') && !isTest(path))
      .flatMap((path) => faults(name.replace(/\.rs$/, ''), path.slice(root.length + 1), readFileSync(path, 'utf8'))),
  );
  assert.deepEqual(found, []);
});

test('an import upward is found, wherever it stands', () => {
  const upward = [
    'use crate::systems::SCHEMAS;',
    'use crate::{error::Error, systems};',
    'use crate::{\n    error::{Error, TokenFault},\n    systems::{self, growth},\n};',
    'fn f() { crate::systems::registry() }',
  ];
  for (const code of upward) assert.deepEqual(faults('scope', 'scope/x.rs', code), ['scope/x.rs uses systems'], code);
  assert.deepEqual(faults('message', 'message.rs', 'use crate::error::Error;'), ['message.rs uses error']);
  assert.deepEqual(faults('verify', 'verify/x.rs', 'use crate::scope;'), ['verify/x.rs uses scope']);
  const allowed =
    'use crate::error::{Error, TokenFault};\n// See crate::systems.\n#[cfg(test)]\nmod tests {\n use crate::systems;\n}';
  assert.deepEqual(faults('scope', 'scope/x.rs', allowed), []);
  assert.deepEqual(faults('news', 'news.rs', ''), ['news.rs: news stands in no layer']);
});
