// Real Chromium, headless, that talks to this machine only.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium as playwright } from 'playwright-core';
import { root } from '../../dev/paths.js';
import { chromium } from '../../dev/setup.js';

const QUIET = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-quic'];

/** Starts the browser; close it in `after`. */
export const launch = () =>
  playwright.launch({
    executablePath: chromium(),
    args: ['--no-first-run', '--disable-gpu', ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), ...QUIET],
  });

/** Where screenshots are put, to be looked at: build/screenshots. */
export const screenshot = (page, name) => {
  const directory = join(root, 'build', 'screenshots');
  mkdirSync(directory, { recursive: true });
  return page.screenshot({ path: join(directory, `${name}.png`), fullPage: true });
};
