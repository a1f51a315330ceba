// npm run token -- --sub <uuid> [--role authenticated] [--claims '<json>'] [--ttl 3600]
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { dataDirectory } from './paths.js';
import { main, SetupError, setup } from './setup.js';

const USAGE = `Usage: npm run token -- --sub <uuid> [--role authenticated] [--claims '<json>'] [--ttl 3600]`;

const options = {
  sub: { type: 'string' },
  role: { type: 'string' },
  claims: { type: 'string' },
  ttl: { type: 'string' },
};

const read = () => {
  try {
    const { values } = parseArgs({ options });
    const claims = values.claims === undefined ? undefined : JSON.parse(values.claims);
    const ttl = values.ttl === undefined ? undefined : Number(values.ttl);
    if (ttl !== undefined && !Number.isInteger(ttl)) throw new Error('--ttl must be a number of seconds');
    if (values.sub === undefined && (values.role ?? 'authenticated') === 'authenticated') {
      throw new Error('--sub is needed');
    }
    return { ...values, claims, ttl };
  } catch (error) {
    throw new SetupError(`${error.message}\n${USAGE}`);
  }
};

await main(async () => {
  const asked = read();
  await setup();
  const description = join(dataDirectory(), 'dev.json');
  if (!existsSync(description)) throw new SetupError('The local stack is not running: start it with `npm run dev`.');
  const { issuer } = JSON.parse(readFileSync(description, 'utf8'));
  const { keys, token } = await import('./issuer.js');
  console.log(await token(await keys(dataDirectory()), { issuer, ...asked }));
});
