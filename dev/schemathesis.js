// Schemathesis, which tests an API by its description in OpenAPI: in a Python environment of its own, of pinned packages.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cache, root } from './paths.js';
import { run } from './setup.js';

const REQUIREMENTS = join(root, 'dev', 'schemathesis.txt');
const MEND = 'Python 3.11 or newer with venv is needed, and pip has to reach its registry.';

/** Why it cannot run here; undefined if it can. */
export const missingPython = () => {
  const check = 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))';
  const { status } = spawnSync('python3', ['-c', check], { stdio: 'ignore' });
  return status === 0 ? undefined : MEND;
};

/** The command, installed if it is not there. */
export const schemathesis = async () => {
  const pinned = readFileSync(REQUIREMENTS);
  const directory = join(cache, `schemathesis-${createHash('sha256').update(pinned).digest('hex').slice(0, 12)}`);
  const mark = join(directory, '.installed');
  if (!existsSync(mark)) {
    console.error('[setup] installing Schemathesis (about a minute)');
    rmSync(directory, { recursive: true, force: true });
    await run('python3', ['-m', 'venv', directory], MEND);
    const args = ['install', '--quiet', '--disable-pip-version-check', '--no-deps', '--requirement', REQUIREMENTS];
    await run(join(directory, 'bin', 'pip'), args, MEND);
    writeFileSync(mark, '');
  }
  return join(directory, 'bin', 'schemathesis');
};
