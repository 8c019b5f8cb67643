// WCAG 2.2 AA on every built-in page, by axe-core and by what it does not look at.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { answer, directory, front, serve, tab, test } from './setup.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

async function assertAccessible(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(async rules => {
    const { violations, passes } = await window.axe.run({ runOnly: rules });
    const wrong = violations.map(({ id, nodes }) => `${id}: ${nodes.map(it => `${it.html} ${it.failureSummary}`).join('; ')}`);
    return { wrong, passed: passes.map(it => it.id) };
  }, RULES);
  assert.deepEqual(found.wrong, []);
  assert(found.passed.includes('document-title') && found.passed.includes('html-has-lang'), 'axe has looked');
  const { wide, moves } = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth - innerWidth,
    moves: document.getAnimations().length,
  }));
  assert(wide <= 0, `${wide} px are to the side of the screen`);
  assert.equal(moves, 0, 'nothing moves');
}

const logo = '<svg xmlns="http://www.w3.org/2000/svg" width="200" height="40"><rect width="200" height="40" fill="gray"/></svg>';
const texts = { MAINTENANCE_CONTACT: '+49 (30) 123-456', MAINTENANCE_UNTIL: '2099-12-02T07:00:00+01:00' };

/** Each built-in page, how it comes to be, and the languages in which there is one. */
const PAGES = {
  'the page with an end': { live: texts },
  'the page without an end': { live: { MAINTENANCE_CONTACT: 'help@example.org' } },
  'the page that is late': { live: { MAINTENANCE_UNTIL: new Date(Date.now() - 3_600_000).toISOString() } },
  'the page after a POST': { live: texts, post: true },
  'the page with a logo and an accent': { live: { ...texts, MAINTENANCE_ACCENT: '#8a1538' }, logo: true },
  'the demo': { live: { MAINTENANCE_MODE: 'false' } },
  'a wrong address': { live: { MAINTENANCE_MODE: 'false' }, path: '/nothing' },
  'the admin page in normal mode': { live: { MAINTENANCE_MODE: 'false', ...texts }, settings: { TIER: 'admin' }, path: '/admin' },
  'the admin page in maintenance': { live: texts, settings: { TIER: 'admin' }, path: '/admin' },
};

async function visit(t, { live, settings = {}, path = '/', post, logo: withLogo }, options) {
  if (withLogo) settings = { ...settings, PAGES_DIR: directory(t, { 'logo.svg': logo, 'logo.txt': 'The shop' }) };
  const server = await serve(t, live, settings);
  const page = await tab(t, options);
  if (post) {
    const proxy = await front(t, server, { 'GET /form': answer('<form method="post" action="/"><button>Pay</button></form>') });
    await page.goto(`${proxy.url}/form`);
    await page.getByRole('button').click();
    await page.getByRole('heading').waitFor();
  } else {
    await page.goto(server.url + path);
  }
  return page;
}

for (const [name, how] of Object.entries(PAGES)) {
  const languages = name.startsWith('the page') ? ['en', 'ar'] : ['en'];
  for (const locale of languages) {
    test(`${name} in ${locale} in every scheme and width`, async t => {
      const page = await visit(t, how, { locale });
      for (const colorScheme of ['light', 'dark']) {
        for (const forcedColors of ['none', 'active']) {
          await page.emulateMedia({ colorScheme, forcedColors, reducedMotion: 'reduce' });
          for (const width of [1280, 320]) {
            await page.setViewportSize({ width, height: 720 });
            await t.test(`${colorScheme}, forced colors ${forcedColors}, ${width} px`, () => assertAccessible(page));
          }
        }
      }
      await page.emulateMedia({ media: 'print', colorScheme: 'light', forcedColors: 'none' });
      await t.test('printed', () => assertAccessible(page));
    });
  }
}

test('printed, the page has its texts and not what can only be clicked', async t => {
  const page = await visit(t, PAGES['the page with an end'], {});
  await page.emulateMedia({ media: 'print' });
  assert(await page.getByText('We expect to be back by').isVisible());
  assert(await page.getByText('+49 (30) 123-456').isVisible());
  assert(!(await page.getByText('Try again').isVisible()));
});

test('the logo is read aloud by its name, and the button has the accent', async t => {
  const page = await visit(t, PAGES['the page with a logo and an accent'], { colorScheme: 'light' });
  const picture = page.getByRole('img', { name: 'The shop' });
  assert.equal(await picture.evaluate(it => it.naturalWidth), 200);
  const colour = await page.locator('.button').evaluate(it => getComputedStyle(it).backgroundColor);
  assert.equal(colour, 'rgb(138, 21, 56)');
});

test('where the reader chooses the colours the button has an edge', async t => {
  const page = await visit(t, PAGES['the page with an end'], {});
  await page.emulateMedia({ forcedColors: 'active' });
  const colours = await page.locator('.button').evaluate(it => {
    const { borderTopColor, borderTopStyle, backgroundColor } = getComputedStyle(it);
    return { borderTopStyle, differs: borderTopColor !== backgroundColor && borderTopColor !== 'rgba(0, 0, 0, 0)' };
  });
  assert.deepEqual(colours, { borderTopStyle: 'solid', differs: true });
});

test('by keyboard the button and the contact are reached in order, and one sees where one is', async t => {
  const page = await visit(t, PAGES['the page with an end'], {});
  for (const name of ['Try again', '+49 (30) 123-456']) {
    await page.keyboard.press('Tab');
    const focused = page.locator(':focus');
    assert.equal(await focused.textContent(), name);
    const outline = await focused.evaluate(it => getComputedStyle(it).outlineStyle);
    assert.equal(outline, 'solid');
  }
});

test('right to left, a phone number and the end keep their order, and the page is a mirror image', async t => {
  const page = await visit(t, PAGES['the page with an end'], { locale: 'ar', viewport: { width: 1280, height: 720 } });
  const contact = page.locator('bdi');
  assert.equal(await contact.evaluate(it => getComputedStyle(it).direction), 'ltr');
  const [main, button] = [await page.locator('main').boundingBox(), await page.locator('.button').boundingBox()];
  assert(button.x + button.width > main.x + main.width * 0.75, 'the button is on the right');
});

test('a reader who enlarges the text to twice its size loses nothing', async t => {
  const page = await visit(t, PAGES['the page with an end'], { viewport: { width: 640, height: 720 } });
  await page.locator('html').evaluate(it => { it.style.fontSize = '200%'; });
  await assertAccessible(page);
});
