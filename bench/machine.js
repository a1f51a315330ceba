// Where and on what a benchmark ran: numbers mean nothing without it.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, cpus, platform, totalmem } from 'node:os';
import { root } from '../dev/paths.js';

const capture = (command, args) => spawnSync(command, args, { cwd: root, encoding: 'utf8' }).stdout?.trim() ?? '';

/** The version of an installed package. */
export const packageVersion = (name) =>
  createRequire(import.meta.url)(`${root}/node_modules/${name}/package.json`).version;

/** Which code: the commit, and whether what is measured differs from it. */
const commit = () => {
  const measured = [
    'src',
    'migrations',
    'systems',
    'bench',
    ':!bench/results',
    'Cargo.toml',
    'Cargo.lock',
    'package-lock.json',
  ];
  const changed = capture('git', ['status', '--porcelain', '--', ...measured]);
  // The last commit that changed any of it: those that only record figures are rewritten when they are put on top of others.
  const last = capture('git', ['log', '-1', '--format=%H', '--', ...measured]);
  return { commit: last.slice(0, 12), uncommitted: changed !== '' };
};

/** The start of a file's SHA-256, to tell bundles apart. */
export const digest = (file) => createHash('sha256').update(readFileSync(file)).digest('hex').slice(0, 16);

/** The facts of this machine and this tree. */
export const machine = () => ({
  date: new Date().toISOString(),
  ...commit(),
  cores: cpus().length,
  cpu: cpus()[0]?.model ?? 'unknown',
  memory_gb: Math.round(totalmem() / 2 ** 30),
  system: `${platform()} ${arch()}`,
  node: process.versions.node,
});

/** When, with which code and on which processor something was measured, for one figure among others. */
export const measuredOn = ({ date, commit, cpu }) => `${date.slice(0, 10)}, commit ${commit.slice(0, 7)}, ${cpu}`;

/** Microseconds of CPU, its own and the kernel's, that a part's process has used; nothing where there is no /proc. */
export const cpuTime = (part) => {
  if (!part || platform() !== 'linux') return undefined;
  const [, fields] = readFileSync(`/proc/${part.pid}/stat`, 'utf8').split(') ');
  const [user, system] = fields.split(' ').slice(11, 13).map(Number);
  // Linux counts in hundredths of a second there, on every architecture.
  return (user + system) * 10_000;
};
