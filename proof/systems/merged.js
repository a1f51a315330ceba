/** Decisions of several schemas as one system's. A name that two of them decide about is a fault of ours. */
const union = (parts, kind) => {
  const all = {};
  for (const [name, decision] of parts.flatMap((part) => Object.entries(part[kind] ?? {}))) {
    if (name in all) throw new Error(`${name} is decided twice`);
    all[name] = decision;
  }
  return all;
};

/** @param {object[]} parts each as a system's file has it */
export const merged = (parts) => ({
  relations: union(parts, 'relations'),
  functions: union(parts, 'functions'),
  routes: union(parts, 'routes'),
  cleanUp: async (sql, people) => {
    for (const { cleanUp } of parts) await cleanUp?.(sql, people);
  },
});
