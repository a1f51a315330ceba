// npm run jobs -- <name>: one job by hand, as the edge's cron has it run. DATABASE_URL, or the local database.
import { withDatabase } from './database.js';
import { main, SetupError, setup } from './setup.js';

const say = (line) => console.error(`[jobs] ${line}`);

const one = async (client, name) => {
  try {
    const { rows } = await client.query('select edge.run_job($1) as result', [name]);
    return rows[0].result;
  } catch (error) {
    // What the function itself refuses, in its own words.
    if (error.code !== 'PGRST') throw error;
    const { message, details } = JSON.parse(error.message);
    throw new SetupError(`${message}. Jobs: ${details}.`);
  }
};

await main(async () => {
  const [name, ...more] = process.argv.slice(2);
  if (!name || more.length > 0) throw new SetupError('Usage: npm run jobs -- <name>');
  await setup();
  await withDatabase(
    async (databaseUrl) => {
      const { default: pg } = await import('pg');
      const client = new pg.Client({ connectionString: databaseUrl });
      await client.connect();
      try {
        for (let result = { more: true }; result.more; ) {
          result = await one(client, name);
          if (result.error) throw new SetupError(`${name} failed: ${result.error}`);
          console.log(
            result.skipped ? `${name}: skipped, since another run is active` : `${name}: ${result.rows} rows`,
          );
        }
      } finally {
        await client.end();
      }
    },
    { say },
  );
});
