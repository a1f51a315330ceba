// One statement on a connection of its own, for databases that are stopped in between.
import pg from 'pg';

/** @param {string} connectionString @returns {Promise<object[]>} the rows */
export const query = async (connectionString, text, values) => {
  const client = new pg.Client({ connectionString });
  // A server that is stopped ends its connections.
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query(text, values)).rows;
  } finally {
    await client.end();
  }
};
