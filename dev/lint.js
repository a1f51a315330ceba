// npm run lint: rustfmt, clippy for host and wasm32, SQL, its search paths and that it defines each object once, JavaScript.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { root } from './paths.js';
import { main, SetupError, setup } from './setup.js';

const bin = (name) => join(root, 'node_modules', '.bin', name);

/** Copies of the migrations' up parts, line for line. */
const upParts = (files) => {
  const directory = mkdtempSync(join(tmpdir(), 'rowgate-lint-'));
  return files.map((file) => {
    const [up] = readFileSync(file, 'utf8').split(/^-- migrate:down/m);
    const copy = join(directory, basename(file));
    writeFileSync(copy, up);
    return copy;
  });
};

const checks = (migrations) => [
  ['rustfmt', 'cargo', ['fmt', '--all', '--check'], 'Run `cargo fmt --all`.'],
  ['clippy for the host', 'cargo', ['clippy', '--locked', '--all-targets', '--', '-D', 'warnings']],
  ['clippy for dev/bindgen', 'cargo', ['clippy', '--locked', '--package', 'rowgate-bindgen', '--', '-D', 'warnings']],
  [
    'clippy for wasm32, with the Rust of tests',
    'cargo',
    ['clippy', '--locked', '--target', 'wasm32-unknown-unknown', '--features', 'test-hooks', '--', '-D', 'warnings'],
  ],
  [
    'SQL',
    bin('squawk'),
    ['--config', '.squawk.toml', ...migrations],
    'Mend it, or write an exception with its reason into .squawk.toml.',
  ],
  ['JavaScript', bin('biome'), ['check', '--error-on-warnings', '.'], 'Run `npx biome check --write .`.'],
];

await main(async () => {
  await setup({ build: true });
  const { migrationFiles } = await import('./systems.js');
  const files = migrationFiles();
  const migrations = upParts(files);
  const failed = checks(migrations).filter(([name, command, args, mend]) => {
    console.error(`[lint] ${name}`);
    const done = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
    if (done.status !== 0 && mend) console.error(mend);
    return done.status !== 0;
  });
  rmSync(dirname(migrations[0]), { recursive: true });
  console.error('[lint] search paths');
  const { searchPathFaults } = await import('./searchpath.js');
  const depending = await searchPathFaults(files);
  for (const fault of depending) console.error(fault);
  if (depending.length > 0) failed.push(['search paths']);
  console.error('[lint] one definition of each object');
  const { redefinitions } = await import('./definitions.js');
  const again = await redefinitions(files);
  for (const fault of again) console.error(fault);
  if (again.length > 0) {
    console.error(
      'Change the definition where it stands. After a release: docs/operations.md, "Changing a released schema".',
    );
    failed.push(['one definition of each object']);
  }
  if (failed.length > 0) throw new SetupError(`Not clean: ${failed.map(([name]) => name).join(', ')}.`);
  console.error('[lint] clean');
});
