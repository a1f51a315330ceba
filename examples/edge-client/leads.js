// @ts-check
// Sends a lead with openapi-fetch and the types of edge.types.ts, which `npm run db:types` makes of the edge's description: paths, fields
// and answers are checked before anything runs.
import { pathToFileURL } from 'node:url';
import createClient from 'openapi-fetch';

/**
 * @param {string} address the address of the edge
 * @param {string} email
 */
export const sendLead = async (address, email) => {
  /** @type {import('openapi-fetch').Client<import('../../edge.types').paths>} */
  const edge = createClient({ baseUrl: address });
  const { data, error } = await edge.POST('/v1/leads', { body: { email, source: 'newsletter-signup' } });
  if (error) throw new Error(`${error.code}: ${error.message}`);
  return data.status;
};

const [, script = '', address = 'http://127.0.0.1:8787', email = 'ada@example.org'] = process.argv;
if (import.meta.url === pathToFileURL(script).href) console.log(await sendLead(address, email));
