// Tables and functions that only tests need, made in the data API's schema and gone afterwards.
import { waitFor } from '../../dev/process.js';
import { ask, schemaOfTests, sql, stack, userToken } from './stack.js';

/** Runs the SQL and waits until PostgREST knows what it made: until `path` is found in a schema. */
export const make = async (text, path, schema = schemaOfTests) => {
  await sql(text);
  const token = await userToken();
  await waitFor(`PostgREST to know ${path}`, async () => {
    await sql(`notify pgrst, 'reload schema'`);
    const answer = await ask(path, {
      base: stack.postgrest_url,
      token,
      method: 'HEAD',
      headers: { 'accept-profile': schema },
    });
    return answer.status !== 404;
  });
};

/** Drops what a fixture made. */
export const drop = (text) => sql(`${text}; notify pgrst, 'reload schema'`);
