// Other origins: an own page that loads from one, and scripts of one that ask here.

import assert from 'node:assert/strict';
import { answer, directory, front, serve, tab, test } from './setup.mjs';

test('an own page loads from the origins of PAGES_SOURCES, and from no other', async t => {
  const picture = '<svg xmlns="http://www.w3.org/2000/svg" width="7" height="7"/>';
  const pages = directory(t, {
    'maintenance.html': `<!doctype html><title>{{ title }}</title>
      <link rel="stylesheet" href="https://cdn.example.org/style.css">
      <img id="cdn" src="https://cdn.example.org/logo.svg" alt=""><img id="other" src="https://other.example.org/logo.svg" alt="">
      <script src="https://cdn.example.org/page.js"></script><h1>{{ title }}</h1>`,
  });
  const server = await serve(t, {}, { PAGES_DIR: pages, PAGES_SOURCES: 'https://cdn.example.org' });
  const page = await tab(t);
  const asked = [];
  const files = { '/style.css': ['text/css', 'h1 { color: rgb(1, 2, 3) }'], '/logo.svg': ['image/svg+xml', picture], '/page.js': ['text/javascript', 'document.title = "by script"'] };
  await page.route(/^https:/, route => {
    const url = new URL(route.request().url());
    asked.push(url.href);
    const [contentType, body] = files[url.pathname];
    return route.fulfill({ contentType, body });
  });
  await page.goto(server.url, { waitUntil: 'networkidle' });
  assert.equal(await page.title(), 'by script');
  const width = id => page.evaluate(id => document.getElementById(id).naturalWidth, id);
  assert.deepEqual([await width('cdn'), await width('other')], [7, 0]);
  assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector('h1')).color), 'rgb(1, 2, 3)');
  assert(asked.every(it => it.startsWith('https://cdn.example.org/')), asked.join());
});

/** What a script of another origin sees when it asks the server. */
async function seen(t, allow, credentials) {
  const app = await front(t, undefined, { 'GET /': answer('<title>app</title>') });
  const server = await serve(t, { CORS_ALLOW_ORIGINS: allow === 'this' ? app.url : allow });
  const page = await tab(t);
  await page.goto(app.url);
  return page.evaluate(async ([url, credentials]) => {
    const options = { method: 'POST', credentials, headers: { 'content-type': 'application/json', accept: 'application/json' }, body: '{}' };
    try {
      const answer = await fetch(`${url}/api/orders`, options);
      const { title } = await answer.json();
      return [answer.status, answer.headers.get('maintenance-mode'), answer.headers.has('retry-after'), title];
    } catch (error) {
      return error.name;
    }
  }, [server.url, credentials]);
}

const readable = [503, 'on', true, 'We’ll be back soon'];
for (const [allow, credentials, expected] of [
  ['this', 'omit', readable],
  ['this', 'include', readable],
  ['*', 'omit', readable],
  ['*', 'include', 'TypeError'],
  ['https://app.example.org', 'omit', 'TypeError'],
]) {
  const who = allow === 'this' ? 'its origin' : allow;
  test(`with ${who} allowed a script that sends credentials: ${credentials} ${expected === readable ? 'reads the 503' : 'reads nothing'}`, async t => {
    assert.deepEqual(await seen(t, allow, credentials), expected);
  });
}
