// Makes tests/clixen/n8n/places.json: every place in n8n's own nodes where n8n takes an address or an id that all workflows of an instance share.
// n8n is not a dependency; name a folder into which its two packages were unpacked:
//
//   npm pack n8n-nodes-base @n8n/n8n-nodes-langchain, tar -xzf each into a folder of its own
//   node dev/n8n-places.js <folder of n8n-nodes-base> <folder of @n8n/n8n-nodes-langchain>, and those of older versions
//
// A test of src/systems/clixen/validate/tests.rs fails for a place that a deployment does not know.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.js';

/** The parameters of a node at every depth, each with its path. */
const parameters = function* (properties = [], above = []) {
  for (const property of properties) {
    const path = [...above, property.name];
    yield { ...property, path: path.join('.') };
    for (const option of property.options ?? []) {
      if (option.values) yield* parameters(option.values, [...path, option.name]);
      else if (option.type) yield* parameters([option], path);
    }
  }
};

/** The parameters that an expression of a description names: `$parameter["options"]?.path` is options.path. */
const named = (expression) =>
  [...`${expression}`.matchAll(/\$parameter((?:\??\.?\["\w+"\]|\??\.\w+)+)/g)].map(([, path]) =>
    [...path.matchAll(/\w+/g)].map(([word]) => word).join('.'),
  );

/** What a parameter takes, by its type and by the list that the editor offers. */
const kindOf = ({ type, modes, path }) => {
  const list = (modes ?? [])
    .map(({ typeOptions }) => typeOptions?.searchListMethod ?? '')
    .join(' ')
    .trim();
  if (type === 'workflowSelector' || /(^|\.)workflowId$/.test(path) || /searchWorkflows/i.test(list)) return 'workflow';
  if (type === 'agentSelector' || /^listAgents$/.test(list)) return 'shared';
  if (/^(dataTableSearch|tableSearch)$/.test(list) && /dataTable/i.test(path)) return 'shared';
  if (/(^|\.)memoryKey$/.test(path) || /vectorStoresSearch/.test(list)) return 'key';
  return undefined;
};

const places = new Map();
const packages = [];
for (const folder of process.argv.slice(2)) {
  const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  packages.push(`${name} ${version}`);
  for (const node of JSON.parse(readFileSync(join(folder, 'dist', 'types', 'nodes.json'), 'utf8'))) {
    const add = (kind, parameter) => {
      const place = { type: `${name}.${node.name.replace(/^.*\./, '')}`, kind, parameter };
      places.set(JSON.stringify(place), place);
    };
    for (const { path, isFullPath, restartWebhook } of node.webhooks ?? []) {
      const kind = restartWebhook ? 'suffix' : 'path';
      for (const parameter of named(path)) add(kind, parameter);
      // A whole path that no parameter says would be one for all workflows.
      if (isFullPath && !restartWebhook && named(path).length === 0) add('constant', `${path}`);
    }
    for (const parameter of parameters(node.properties)) {
      const kind = kindOf(parameter);
      // GitHub's workflows are not n8n's.
      if (kind && node.name !== 'github') add(kind, parameter.path);
    }
  }
}
const sorted = [...places.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, place]) => place);
const text = (value) => JSON.stringify(value).replace(/[{,:]/g, '$& ').replace(/}/g, ' }');
const lines = (values) => `[\n${values.map((value) => `    ${text(value)}`).join(',\n')}\n  ]`;
writeFileSync(
  join(root, 'tests', 'clixen', 'n8n', 'places.json'),
  `{\n  "packages": ${lines(packages)},\n  "places": ${lines(sorted)}\n}\n`,
);
