// npm run prices: loads the prices of language models into private.model_prices, from the list that package.json pins. Costs that have
// been computed stay as they are. DATABASE_URL, or the local database.
import { withDatabase } from './database.js';
import { main, SetupError, setup } from './setup.js';

const say = (line) => console.error(`[prices] ${line}`);

await main(async () => {
  if (process.argv.length > 2) throw new SetupError('Usage: npm run prices');
  await setup();
  const { priceList } = await import('./price_list.js');
  const { name, prices, rules, left } = await priceList();
  await withDatabase(
    async (databaseUrl) => {
      const { default: pg } = await import('pg');
      const client = new pg.Client({ connectionString: databaseUrl });
      await client.connect();
      try {
        const { rows } = await client.query('select private.load_prices($1, $2, $3) as loaded', [
          name,
          JSON.stringify(prices),
          JSON.stringify(rules),
        ]);
        const { added, changed, kept, models } = rows[0].loaded;
        console.log(`${name}: ${models} models; ${added} prices added, ${changed} changed, ${kept} as before`);
        say(`${left.length} models left out: their prices depend on the time of day, or are not by tokens`);
      } finally {
        await client.end();
      }
    },
    { say },
  );
});
