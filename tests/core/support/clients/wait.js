// For code that runs in Node and in pages.

const MAX_MS = 15_000;

/** A promise that fails, with words for what was awaited, rather than never to end. */
export const within = (promise, what) => {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(reject, MAX_MS, new Error(`waited ${MAX_MS} ms ${what}`));
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

/** What arrives, to be awaited. */
export class Inbox {
  items = [];
  waiting = new Set();

  add = (item) => {
    this.items.push(item);
    for (const look of this.waiting) look();
  };

  /** The first item, of those that came and will come, that fits. */
  first(fits, what) {
    const found = new Promise((resolve) => {
      const look = () => {
        const item = this.items.find(fits);
        if (item === undefined) return;
        this.waiting.delete(look);
        resolve(item);
      };
      this.waiting.add(look);
      look();
    });
    return within(found, `for ${what}, and got ${JSON.stringify(this.items)}`);
  }
}
