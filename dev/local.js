// Whether a database is on this machine: what may lose data asks first.

const LOCAL = ['127.0.0.1', 'localhost', '[::1]', '::1', ''];

/** Whether every host that an address names is this machine. A parameter may name another than the address itself. */
export const isLocal = (databaseUrl) => {
  const { hostname, searchParams } = new URL(databaseUrl);
  const others = ['host', 'hostaddr'].flatMap((name) => searchParams.getAll(name)).flatMap((value) => value.split(','));
  return [hostname, ...others].every((host) => LOCAL.includes(host) || host.startsWith('/'));
};
