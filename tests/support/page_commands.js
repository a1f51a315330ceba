// Runs the commands of a page of docs/, as a reader does who copies one block after the other into one shell.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../../dev/paths.js';

/** The blocks of commands of a page, without those that start the local system. */
const blocksOf = (page) =>
  [...readFileSync(join(root, page), 'utf8').matchAll(/^```sh\n(.*?)^```$/gms)]
    .map(([, text]) => text)
    .filter((text) => !text.includes('npm run dev'));

/** Runs a page on an edge, in an empty folder, and gives the status, what each block printed, and the errors. */
export const followPage = async (page, edgeUrl) => {
  const folder = mkdtempSync(join(tmpdir(), 'rowgate-page-'));
  const mark = 'END OF BLOCK';
  const blocks = blocksOf(page);
  const script = blocks
    .map((block) => `${block}\necho "${mark}"`)
    .join('\n')
    .replaceAll('http://127.0.0.1:8787', edgeUrl)
    .replaceAll('npm run -s', `npm --prefix ${root} run -s`);
  try {
    const child = spawn('bash', ['-eo', 'pipefail', '-c', script], {
      cwd: folder,
      env: { ...process.env, ROWGATE_DATA: process.env.ROWGATE_TEST_DATA },
    });
    const texts = { stdout: '', stderr: '' };
    for (const name of Object.keys(texts)) child[name].on('data', (data) => (texts[name] += data));
    const status = await new Promise((resolve) => child.on('close', resolve));
    return { status, count: blocks.length, printed: texts.stdout.split(mark), errors: texts.stderr };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
