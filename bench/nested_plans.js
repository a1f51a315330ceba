// Plans of the statements inside of functions, as they run: the plan of a function's call does not show them.

const SETTINGS = [
  'log_min_duration = 0',
  'log_nested_statements = on',
  'log_analyze = on',
  'log_buffers = on',
  'log_level = notice',
];

/** Of a line: a filter may have a list of hundreds of ids. */
const WIDTH = 200;

/**
 * Runs a body on a connection of the owner of the database and gives the plans of the statements in it, the longest first, each as its
 * duration and its plan.
 */
export const nestedPlans = async (client, body) => {
  const plans = [];
  const read = ({ message }) => {
    const [, took, plan] = /^duration: ([0-9.]+) ms {2}plan:\n(.*)$/s.exec(message) ?? [];
    // After the text of the query, whose lines are no nodes of a plan.
    const lines = plan?.split('\n').map((line) => line.slice(0, WIDTH)) ?? [];
    const nodes = lines.slice(lines.findIndex((line) => line.includes('(cost=')));
    if (plan) plans.push({ took: Number(took), query: plan.slice(0, plan.indexOf('(cost=')), nodes: nodes.join('\n') });
  };
  client.on('notice', read);
  await client.query(`load 'auto_explain'`);
  for (const setting of SETTINGS) await client.query(`set auto_explain.${setting}`);
  try {
    await body();
  } finally {
    await client.query('reset role');
    await client.query('set auto_explain.log_min_duration = -1');
    client.off('notice', read);
  }
  return plans.sort((a, b) => b.took - a.took);
};
