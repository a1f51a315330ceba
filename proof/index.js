// npm run proof: the isolation matrix on a throw-away system, as a table, as a summary (docs/proof.md) and as a heat map
// (docs/proof.html, which is not committed).
// Ends with status 1 where a cell is red or blank. `npm run proof -- clixen` tries what has the word in its name, and
// writes nothing.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from '../dev/build.js';
import { interruptible } from '../dev/interrupt.js';
import { root } from '../dev/paths.js';
import { main, SetupError, setup } from '../dev/setup.js';

const say = (line) => console.error(`[proof] ${line}`);

await main(async () => {
  await setup({ build: true });
  await build();
  const { withThrowAway } = await import('../dev/throwaway.js');
  const { prove } = await import('./matrix.js');
  const { faults, html, markdown, text } = await import('./report.js');
  const { PRODUCT, SYSTEMS } = await import('./systems/index.js');
  const word = process.argv[2];
  const only = word && new RegExp(word.replace(/[^\w]/g, '\\$&'));
  say('starting a throw-away system');
  const result = await interruptible((stopping) =>
    withThrowAway('proof', { say }, ({ stack }) => {
      const system = { ...stack.description, keys: stack.keys };
      return prove({ system, systems: SYSTEMS, only, stopping: stopping.signal, say });
    }),
  );
  console.log(text(result));
  if (!only) {
    writeFileSync(join(root, 'docs', 'proof.md'), markdown(result, PRODUCT));
    writeFileSync(join(root, 'docs', 'proof.html'), html(result));
    say('written: docs/proof.md, docs/proof.html');
  }
  const wrong = faults(result);
  for (const line of wrong) console.error(line);
  if (wrong.length > 0) throw new SetupError(`${wrong.length} cells are wrong or not decided.`);
});
