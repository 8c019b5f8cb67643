// The pictures of the docs: `ci/screenshots` runs this.

import { fileURLToPath } from 'node:url';
import { directory, serve, tab, test } from './setup.mjs';

const DESKTOP = { viewport: { width: 960, height: 640 } };
const PHONE = { viewport: { width: 390, height: 760 }, deviceScaleFactor: 1.5, isMobile: true };
const DARK = { ...DESKTOP, colorScheme: 'dark' };

const contact = { MAINTENANCE_CONTACT: 'help@example.org' };
// Tomorrow morning, on the hour.
const DAY = 86_400_000;
const end = { MAINTENANCE_UNTIL: new Date((Math.floor(Date.now() / DAY) + 1.25) * DAY).toISOString() };
const logo = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="6 0 162 40">
  <path d="M8 14h24l-3 20H11zM14 14a6 6 0 0 1 12 0" fill="none" stroke="#0a7a5a" stroke-width="3" stroke-linejoin="round"/>
  <text x="44" y="30" font-family="sans-serif" font-size="26" font-weight="700" fill="#0a7a5a">The shop</text>
</svg>`;

const admin = { TIER: 'admin' };
const PICTURES = {
  'maintenance-desktop': { live: contact, options: DESKTOP },
  'maintenance-phone': { live: contact, options: PHONE },
  'maintenance-dark': { live: contact, options: DARK },
  'maintenance-arabic': { live: { ...contact, ...end }, options: { ...DESKTOP, locale: 'ar-EG', timezoneId: 'Africa/Cairo' } },
  'maintenance-logo': { live: { ...contact, ...end, MAINTENANCE_ACCENT: '#0a7a5a' }, logo, options: { ...DESKTOP, timezoneId: 'Europe/Berlin' } },
  'admin-desktop': { live: contact, settings: admin, options: DESKTOP },
  'admin-phone': { live: contact, settings: admin, options: PHONE },
  'admin-dark': { live: contact, settings: admin, options: DARK },
  'index-desktop': { live: { MAINTENANCE_MODE: 'false' }, options: DESKTOP },
  'index-phone': { live: { MAINTENANCE_MODE: 'false' }, options: PHONE },
  'index-dark': { live: { MAINTENANCE_MODE: 'false' }, options: DARK },
};

for (const [name, { live, settings = {}, logo, options }] of Object.entries(PICTURES)) {
  test(name, async t => {
    const pages = logo ? { PAGES_DIR: directory(t, { 'logo.svg': logo, 'logo.txt': 'The shop' }) } : {};
    const server = await serve(t, live, { ...settings, ...pages });
    const page = await tab(t, options);
    await page.goto(server.url);
    const path = fileURLToPath(new URL(`../../docs/images/${name}.png`, import.meta.url));
    await page.screenshot({ path, fullPage: true });
  });
}
