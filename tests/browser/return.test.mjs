// The page returns by itself.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { answer, ask, check, clocked, directory, front, serve, tab, test, until } from './setup.mjs';

const OPEN = 'The application is open', CLOSED = 'We’ll be back soon';

const heading = page => page.locator('h1').textContent();

/** As if the reader went to another tab, or came back. */
const hide = (page, hidden) => page.evaluate(hidden => {
  Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
  document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
}, hidden);

test('a tab that was open before the switch gets the page, and the application again at the address it asked for', async t => {
  const server = await serve(t, { MAINTENANCE_MODE: 'false' });
  const page = await clocked(t);
  const address = `${server.url}/?order=7#total`;
  await page.goto(address);
  assert.equal(await heading(page), OPEN);
  await server.maintenance(true);
  const closed = await page.reload();
  assert.equal(closed.status(), 503);
  assert.equal(await heading(page), CLOSED);
  assert(await page.getByText('it reloads by itself').isVisible());
  await check(page, 30);
  assert.equal(await heading(page), CLOSED);
  await server.maintenance(false);
  await check(page, 30);
  await page.getByRole('heading', { name: OPEN }).waitFor();
  assert.equal(page.url(), address);
});

for (const [random, waits] of [
  [0, [20, 15, 22.5, 33.75, 50.6, 75.9, 113.9, 150, 150]],
  [0.5, [30, 30, 45, 67.5, 101.3, 151.9, 227.8, 300, 300]],
  [0.9999, [40, 45, 67.5, 101.3, 151.9, 227.8, 341.7, 450, 450]],
]) {
  test(`the waits grow to 5 minutes and are spread: at random ${random}`, async t => {
    const server = await serve(t);
    const page = await clocked(t, random);
    await page.goto(server.url);
    for (const wait of waits) await check(page, wait);
  });
}

test('until a planned end there is at most one check in 5 minutes, and one soon after it', async t => {
  const end = new Date(Date.now() + 14 * 60_000);
  const server = await serve(t, { MAINTENANCE_UNTIL: end.toISOString() });
  const page = await clocked(t);
  await page.goto(server.url);
  for (const wait of [30, 330, 330]) await check(page, wait);
  const now = await page.evaluate(() => Date.now());
  for (const wait of [(end - now) / 1000 + 30, 30, 45]) await check(page, wait);
});

const redirect = answer('', { location: '/login' }, 302);
for (const [what, answered, back] of [
  ['a page', answer('open'), true],
  ['a page that is not there', answer('', {}, 404), true],
  ['a login', answer('', { 'www-authenticate': 'Bearer' }, 401), true],
  ['a redirect', redirect, true],
  ['the maintenance page', undefined, false],
  ['an error of the router', answer('', {}, 503), false],
  ['an error of the application', answer('', {}, 500), false],
  ['a success with the marker', answer('', { 'maintenance-mode': 'on' }), false],
  ['a connection that breaks', (request) => request.destroy(), false],
]) {
  test(`${what} is ${back ? 'back' : 'not back'}`, async t => {
    const proxy = await front(t, await serve(t), { 'HEAD *': answered });
    const page = await clocked(t);
    const asked = () => proxy.requests.filter(it => it === 'GET /shop').length;
    await page.goto(`${proxy.url}/shop`);
    await check(page, 30);
    if (back) await until('it reloads', () => asked() === 2);
    // The next check shows that it has not reloaded meanwhile, nor lost its wait by doing so.
    await check(page, 30);
    if (!back) assert.equal(asked(), 1);
  });
}

test('a tab that is not seen asks nothing, and asks once it is seen if a check is due', async t => {
  const server = await serve(t);
  const page = await clocked(t);
  const asked = [];
  page.on('request', request => request.method() === 'HEAD' && asked.push(request.url()));
  await page.goto(server.url);
  await hide(page, true);
  await page.clock.fastForward(3_600_000);
  await page.evaluate(() => 0);
  assert.deepEqual(asked, []);
  const checked = page.waitForRequest(request => request.method() === 'HEAD');
  await hide(page, false);
  await checked;
  await hide(page, true);
  await hide(page, false);
  await page.evaluate(() => 0);
  assert.equal(asked.length, 1, 'none is due');
  await check(page, 30);
});

test('a page that the browser kept and shows again asks if a check is due', async t => {
  const server = await serve(t);
  const page = await clocked(t);
  await page.goto(server.url);
  const show = persisted => page.evaluate(persisted => {
    dispatchEvent(new PageTransitionEvent('pageshow', { persisted }));
  }, persisted);
  const asked = [];
  page.on('request', request => request.method() === 'HEAD' && asked.push(request.url()));
  await show(true);
  await page.evaluate(() => 0);
  assert.deepEqual(asked, []);
  // As it is kept, its timers stand still and its clock does not.
  await page.clock.setSystemTime(Date.now() + 60_000);
  const checked = page.waitForRequest(request => request.method() === 'HEAD');
  await show(true);
  await checked;
});

test('the wait of an earlier maintenance is forgotten', async t => {
  const server = await serve(t, { MAINTENANCE_MODE: 'false' });
  const page = await clocked(t);
  await page.goto(server.url);
  await page.evaluate(() => sessionStorage.setItem('maintenance-mode', `${Date.now() - 600_000} 300000`));
  await server.maintenance(true);
  await page.goto(server.url);
  for (const wait of [30, 30, 45]) await check(page, wait);
});

test('a service worker that answers for the site does not make it loop', async t => {
  const server = await serve(t);
  const worker = `
    addEventListener('install', () => skipWaiting());
    addEventListener('activate', event => event.waitUntil(clients.claim()));
    addEventListener('fetch', event => {
      if (event.request.mode !== 'navigate') event.respondWith(new Response('kept'));
    });`;
  const register = `<script>
    navigator.serviceWorker.register('/worker.js').then(() => navigator.serviceWorker.ready).then(() => document.title = 'ready');
  </script>`;
  const proxy = await front(t, server, {
    'GET /worker.js': answer(worker, { 'content-type': 'text/javascript' }),
    'GET /register': answer(register),
  });
  const page = await clocked(t);
  await page.goto(`${proxy.url}/register`);
  await page.waitForFunction(() => document.title === 'ready');
  await page.goto(`${proxy.url}/shop`);
  assert.equal(await heading(page), CLOSED);
  let reloads = 0;
  for (const wait of [30, 30, 45, 67.5, 101.3, 151.9, 227.8, 300]) {
    const reloaded = page.waitForEvent('load');
    await page.clock.fastForward((wait - 3) * 1000);
    await page.evaluate(() => 0);
    const asked = () => proxy.requests.filter(it => it === 'GET /shop').length - 1;
    assert.equal(asked(), reloads, `before ${wait} s`);
    await page.clock.fastForward(4000);
    await reloaded;
    assert.equal(asked(), ++reloads);
  }
  assert(!proxy.requests.some(it => it.startsWith('HEAD ')), 'the worker answers what is no navigation');
});

test('a page that a service worker keeps after its end does not make it loop', async t => {
  const end = '2020-01-01T00:00:00Z';
  const server = await serve(t, { MAINTENANCE_UNTIL: '2099-12-02T07:00:00+01:00' });
  const kept = (await ask(`${server.url}/shop`, { accept: 'text/html' })).body.toString().replaceAll('2099-12-02T06:00:00Z', end);
  assert(kept.includes(end));
  const proxy = await front(t, server, { 'GET /shop': answer(kept, { 'maintenance-mode': 'on' }, 503) });
  const page = await clocked(t);
  await page.goto(`${proxy.url}/shop`);
  let reloads = 0;
  for (const wait of [30, 30, 45, 67.5]) {
    const reloaded = page.waitForEvent('load');
    await check(page, wait);
    await reloaded;
    assert.equal(proxy.requests.filter(it => it === 'GET /shop').length - 1, ++reloads);
  }
});

test('the answer to a POST has no script, says that it may be lost, and its button asks by GET', async t => {
  const form = answer('<form method="post" action="/pay"><button name="amount" value="7">Pay</button></form>');
  const proxy = await front(t, await serve(t), { 'GET /form': form });
  const page = await clocked(t);
  await page.goto(`${proxy.url}/form`);
  const posted = page.waitForResponse(`${proxy.url}/pay`);
  await page.getByRole('button').click();
  assert.equal((await posted).status(), 503);
  await page.getByText('What you just sent may not have arrived.').waitFor();
  assert.equal(await page.locator('script').count(), 0);
  await page.getByRole('link', { name: 'Try again' }).click();
  await page.getByText('it reloads by itself').waitFor();
  assert(!(await page.getByText('What you just sent').isVisible()));
  assert.deepEqual(proxy.requests.filter(it => it.endsWith('/pay')), ['POST /pay', 'GET /pay']);
});

test('it works without script', async t => {
  const server = await serve(t, { MAINTENANCE_UNTIL: '2099-12-02T07:00:00+01:00' });
  const page = await tab(t, { javaScriptEnabled: false });
  await page.goto(server.url);
  await page.getByText('We expect to be back by 2099-12-02 06:00 UTC.').waitFor();
  assert(!(await page.getByText('it reloads by itself').isVisible()));
  await server.maintenance(false);
  await page.getByRole('link', { name: 'Try again' }).click();
  await page.getByRole('heading', { name: OPEN }).waitFor();
});

test('it works in an iframe of another origin', async t => {
  const proxy = await front(t, await serve(t));
  const portal = await front(t, undefined, { 'GET /': answer(`<iframe src="${proxy.url}/widget" title="shop"></iframe>`) });
  const page = await clocked(t);
  await page.goto(portal.url);
  const frame = page.frameLocator('iframe');
  await frame.getByRole('heading', { name: CLOSED }).waitFor();
  proxy.answers['HEAD *'] = proxy.answers['GET *'] = answer('<h1>The widget</h1>');
  await check(page, 30);
  await frame.getByRole('heading', { name: 'The widget' }).waitFor();
});

test('a page of one’s own returns by what the docs say', async t => {
  const [, sample] = /```html\n([^]*?)```/.exec(readFileSync(new URL('../../docs/pages.md', import.meta.url), 'utf8'));
  const pages = directory(t, { 'maintenance.html': `<!doctype html><title>{{ title }}</title>${sample}` });
  const server = await serve(t, { MAINTENANCE_UNTIL: '2099-12-02T07:00:00+01:00' }, { PAGES_DIR: pages });
  const page = await clocked(t, 0.5, { timezoneId: 'Europe/Berlin' });
  await page.goto(server.url);
  await page.getByText('Back by Wednesday').waitFor();
  await page.getByText('it reloads by itself').waitFor();
  await server.maintenance(false);
  await check(page, 30);
  await page.getByRole('heading', { name: OPEN }).waitFor();
});

test('it works where the browser gives no storage', async t => {
  const server = await serve(t);
  const page = await clocked(t);
  await page.addInitScript(() => {
    Object.defineProperty(window, 'sessionStorage', { get() { throw new DOMException('denied', 'SecurityError'); } });
  });
  await page.goto(server.url);
  for (const wait of [30, 30, 45]) await check(page, wait);
});
