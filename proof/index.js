// npm run proof: the isolation matrix on a throw-away system, as a table, as docs/proof.md and as docs/proof.html.
// Ends with status 1 where a cell is red or blank. `npm run proof -- clixen` tries what has the word in its name, and
// writes nothing.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from '../dev/build.js';
import { root } from '../dev/paths.js';
import { main, SetupError, setup } from '../dev/setup.js';

const say = (line) => console.error(`[proof] ${line}`);

await main(async () => {
  setup({ build: true });
  build();
  const { startStack } = await import('../dev/stack.js');
  const { prove } = await import('./matrix.js');
  const { faults, html, markdown, text } = await import('./report.js');
  const { SYSTEMS } = await import('./systems/index.js');
  const data = mkdtempSync(join(tmpdir(), 'rowgate-proof-'));
  // Parts of its own, whatever the developer's environment says: it plants rows.
  for (const name of ['DATABASE_URL', 'POSTGREST_URL', 'EDGE_SIGNING_KEY', 'AUTHENTICATOR_URL'])
    delete process.env[name];
  try {
    say('starting a throw-away system');
    const stack = await startStack({ data, throwAway: true, quiet: true, say });
    try {
      const word = process.argv[2];
      const only = word && new RegExp(word.replace(/[^\w]/g, '\\$&'));
      const result = await prove({ system: { ...stack.description, keys: stack.keys }, systems: SYSTEMS, only, say });
      console.log(text(result));
      if (!only) {
        writeFileSync(join(root, 'docs', 'proof.md'), markdown(result));
        writeFileSync(join(root, 'docs', 'proof.html'), html(result));
        say('written: docs/proof.md, docs/proof.html');
      }
      const wrong = faults(result);
      for (const line of wrong) console.error(line);
      if (wrong.length > 0) throw new SetupError(`${wrong.length} cells are wrong or not decided.`);
    } finally {
      await stack.stop();
    }
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
});
