// npm run dev: the whole system on embedded parts, until Ctrl-C.
import { build } from './build.js';
import { dataDirectory } from './paths.js';
import { main } from './setup.js';

const say = (line) => console.error(`[dev] ${line}`);

await main(async () => {
  await build('watch');
  const { startStack } = await import('./stack.js');
  const { waitFor } = await import('./process.js');
  let over;
  const end = new Promise((resolve) => {
    over = resolve;
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => over());
  // npm does not always pass a signal on; if it is gone, so are we.
  const parent = process.ppid;
  const orphaned = () => process.env.npm_lifecycle_event && process.ppid !== parent;
  const watch = setInterval(() => orphaned() && over(), 500);

  say('starting PostgreSQL, PostgREST, the token issuer and the edge');
  const failed = (part, why) => {
    say(`${why}, again and again; its log ends with:\n${part.tail()}`);
    process.exitCode = 1;
    over();
  };
  const starting = startStack({ data: dataDirectory(), port: process.env.ROWGATE_PORT, say, failed });
  const stack = await Promise.race([starting, end]).then(() => starting);
  const healthy = () =>
    fetch(`${stack.edgeUrl}/readyz`).then(
      (answer) => answer.ok,
      () => false,
    );
  try {
    await waitFor('/readyz to say ready', healthy);
    console.log(`ready ${stack.edgeUrl}`);
    await end;
  } finally {
    clearInterval(watch);
    say('stopping');
    await stack.stop();
  }
});
process.exit();
