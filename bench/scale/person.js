// The export and the erasure of a person, which are endpoints of the core: their work is in the systems' rows. Each system's list has both.

const SERVER = { role: 'service_role' };

/**
 * Both calls, for the list of `functions` in bench/<system>/endpoints.js: the data API has them by their earlier names, in growth's schema.
 * @param {{email: (n: string) => string, table: string, grows?: string}} person email: the address of a user of a number, as SQL; table: one
 * of which the person has rows; grows: as in lists.js
 */
export const personCalls = ({ email, table, grows }) => {
  const call = {
    caller: SERVER,
    with: (n) => `email => ${email(n)}`,
    contends: 'Exports and erasures go one at a time.',
    ...(grows && { grows }),
  };
  return {
    'marketing.gdpr_export_user_data': {
      ...call,
      holds: `jsonb_array_length(answer #> '{0,${table}}') > 0`,
      why: 'Each table is asked by its index of owners, and the texts of all by their indexes of addresses.',
    },
    'marketing.gdpr_delete_user_data': {
      ...call,
      holds: `(answer #>> '{0,erased,${table}}')::int > 0`,
      why: 'Each table is asked by its index of owners, and what is found is deleted, with all that refers to it.',
    },
  };
};
