// The reader's language, and the end in the reader's own time.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, check, clocked, serve, tab, test, until } from './setup.mjs';

const END = '2099-12-02T07:00:00+01:00';
const LANGUAGES = readdirSync(new URL('../../static/locales', import.meta.url)).map(name => name.replace('.txt', ''));

for (const [locale, timezoneId, language, direction, text] of [
  ['en-GB', 'Europe/Berlin', 'en', 'ltr', /^We expect to be back by Wednesday,? 2 December 2099 at 07:00 CET\.$/],
  ['en-US', 'America/Los_Angeles', 'en', 'ltr', /^We expect to be back by Tuesday, December 1, 2099 at 10:00 PM PST\.$/],
  ['fr-CA', 'America/Toronto', 'fr', 'ltr', /^Retour prévu : mercredi 2 décembre 2099 à 0?1 h 00 HNE$/],
  ['ar-EG', 'Africa/Cairo', 'ar', 'rtl', /^الموعد المتوقع للعودة: الأربعاء، 2 ديسمبر 2099 في 8:00 ص غرينتش\+2$/],
]) {
  test(`a reader in ${timezoneId} with ${locale} reads the end in that zone and language`, async t => {
    const server = await serve(t, { MAINTENANCE_UNTIL: END });
    const page = await tab(t, { locale, timezoneId });
    await page.goto(server.url);
    const html = page.locator('html');
    assert.deepEqual([await html.getAttribute('lang'), await html.getAttribute('dir')], [language, direction]);
    const sentence = page.locator('p:has(time)');
    // Versions of a browser differ in commas and in which spaces they use.
    assert.match((await sentence.textContent()).replace(/\s/g, ' '), text);
    assert.equal(await sentence.locator('time').getAttribute('datetime'), '2099-12-02T06:00:00Z');
  });
}

test('this year is not named', async t => {
  const end = new Date(Date.now() + 3_600_000);
  const server = await serve(t, { MAINTENANCE_UNTIL: end.toISOString() });
  const page = await tab(t, { timezoneId: 'UTC' });
  await page.clock.setFixedTime(end);
  await page.goto(server.url);
  assert.doesNotMatch(await page.locator('time').textContent(), /\d{4}/);
});

test('an end that passes while the page is open is taken back', async t => {
  const end = Date.now() + 4000;
  const server = await serve(t, { MAINTENANCE_UNTIL: new Date(end).toISOString() });
  // A reader's clock that is wrong does not matter to it.
  const page = await clocked(t);
  await page.goto(server.url);
  assert.match(await page.locator('p:has(time)').textContent(), /^We expect to be back by /);
  await sleep(end + 1000 - Date.now());
  await check(page, 30 - 5);
  await page.getByText('This takes longer than planned.').waitFor();
  assert.equal(await page.locator('time').count(), 0);
});

test('a new end is shown once the old one has passed', async t => {
  const end = Date.now() + 4000;
  const server = await serve(t, { MAINTENANCE_UNTIL: new Date(end).toISOString() });
  const page = await clocked(t);
  await page.goto(server.url);
  server.set('MAINTENANCE_UNTIL', END);
  await sleep(end + 1000 - Date.now());
  await check(page, 30 - 5);
  await page.getByText('December 2099').waitFor();
});

test('a span of time is not broken into two lines', async t => {
  const server = await serve(t);
  for (const language of LANGUAGES) {
    const page = await tab(t, { locale: language });
    await page.goto(server.url);
    for (let width = 240; width <= 400; width += 8) {
      await page.setViewportSize({ width, height: 640 });
      const lines = await page.locator('strong').evaluate(it => new Set([...it.getClientRects()].map(part => part.top)).size);
      assert.equal(lines, 1, `${language} at ${width} px`);
    }
    await page.context().close();
  }
});

test('what is not in the language of the page is marked', async t => {
  const server = await serve(t, { MAINTENANCE_TITLE: 'Moving house', 'MAINTENANCE_TITLE.cy': 'Yn symud tŷ' });
  const page = await tab(t, { locale: 'cy' });
  await page.goto(server.url);
  const lang = selector => page.locator(selector).getAttribute('lang');
  assert.equal(await page.locator('h1').textContent(), 'Yn symud tŷ');
  assert.deepEqual([await lang('html'), await lang('h1'), await lang('h1 + p'), await lang('main div')], ['cy', null, 'en', 'en']);
});

for (const language of LANGUAGES) {
  test(`in ${language} the page is one request of at most 6 kB and fits a narrow screen`, async t => {
    const server = await serve(t, { MAINTENANCE_UNTIL: END, MAINTENANCE_CONTACT: 'help@example.org' });
    const wants = { 'accept-encoding': 'gzip', 'accept-language': language, accept: 'text/html' };
    let sent;
    // It is compressed a moment after the start.
    await until('it is compressed', async () => (sent = await ask(server.url, wants)).headers['content-encoding'] === 'gzip');
    assert(sent.body.length <= 6000, `${sent.body.length} bytes`);
    const page = await tab(t, { locale: language, viewport: { width: 320, height: 640 } });
    const requests = [], errors = [];
    page.on('request', request => request.url().startsWith('data:') || requests.push(request.url()));
    page.on('console', message => message.type() === 'error' && errors.push(message.text()));
    page.on('pageerror', error => errors.push(error.message));
    await page.goto(server.url, { waitUntil: 'networkidle' });
    assert.deepEqual(requests, [`${server.url}/`]);
    assert.deepEqual(errors.filter(it => !it.includes('503')), []);
    assert.equal(await page.locator('html').getAttribute('lang'), language);
    assert(await page.locator('[data-returns]').isVisible());
    assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nothing is cut off');
  });
}
