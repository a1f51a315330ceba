// npm run bench -- <name> [flags]: one benchmark, on a throw-away system of its own. Imports nothing that has to be
// installed before set-up has installed it.
import { build } from '../dev/build.js';
import { main, SetupError, setup } from '../dev/setup.js';

const BENCHMARKS = {
  gateway: () => import('./gateway/index.js'),
  growth: () => import('./growth/index.js'),
  clixen: () => import('./clixen/index.js'),
  flashfusion: () => import('./flashfusion/index.js'),
  observatory: () => import('./observatory/index.js'),
  assistant: () => import('./assistant/index.js'),
  fairness: () => import('./fairness/index.js'),
  failover: () => import('./failover/index.js'),
  scale: () => import('./scale/index.js'),
  changes: () => import('./changes/index.js'),
  soak: () => import('./soak/index.js'),
};

await main(async () => {
  const [name, ...flags] = process.argv.slice(2);
  if (!Object.hasOwn(BENCHMARKS, name ?? '')) {
    throw new SetupError(
      `Usage: npm run bench -- <name> [flags], where name is: ${Object.keys(BENCHMARKS).join(', ')}.`,
    );
  }
  await setup();
  const { allSystems, systems } = await import('../dev/systems.js');
  const isOf = (list) => list.some((system) => system.name === name);
  if (isOf(allSystems()) && !isOf(systems()))
    throw new SetupError(`SYSTEMS leaves out ${name}: add it for this benchmark.`);
  await build();
  const { run } = await BENCHMARKS[name]();
  await run(flags);
});
process.exit(process.exitCode);
