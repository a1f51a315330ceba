// npm run dev: the whole system on embedded parts, until Ctrl-C.
import { build } from './build.js';
import { interruptible } from './interrupt.js';
import { dataDirectory } from './paths.js';
import { main } from './setup.js';

const say = (line) => console.error(`[dev] ${line}`);

await main(async () => {
  await build('watch');
  const { startStack } = await import('./stack.js');
  const { waitFor } = await import('./process.js');
  await interruptible(async (stopping) => {
    const { signal } = stopping;
    const end = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    say('starting PostgreSQL, PostgREST, the token issuer and the edge');
    const failed = (part, why) => {
      say(`${why}, again and again; its log ends with:\n${part.tail()}`);
      process.exitCode = 1;
      stopping.abort();
    };
    let stack;
    try {
      stack = await startStack({ data: dataDirectory(), port: process.env.ROWGATE_PORT, say, failed, signal });
      const healthy = () =>
        fetch(`${stack.edgeUrl}/readyz`).then(
          (answer) => answer.ok,
          () => false,
        );
      await waitFor('/readyz to say ready', healthy, { given: () => signal.aborted && 'Interrupted.' });
      console.log(`ready ${stack.edgeUrl}`);
      await end;
    } catch (error) {
      // Somebody has interrupted the start, or was shown why a part ends.
      if (!signal.aborted) throw error;
    } finally {
      if (stack || signal.aborted) say('stopping');
      await stack?.stop();
    }
  });
});
process.exit();
