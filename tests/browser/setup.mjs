// What the tests of the browser share: the built server, a stand-in for what is in front of it, and a browser.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test as unbounded } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright-core';

const { SERVER, BROWSER } = process.env;
assert(SERVER && BROWSER, 'run ci/browser, which says where the server and the browser are');

// As root, as in a container, Chromium has no sandbox.
const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
const browser = await chromium.launch({ executablePath: BROWSER, args });
after(() => browser.close());

/** A test that fails where it hangs. */
export const test = (name, run) => unbounded(name, { timeout: 120_000 }, run);

/** Waits until `holds`, for a while. */
export async function until(what, holds) {
  for (let tries = 0; !(await holds()); tries++) {
    assert(tries < 400, `in vain: until ${what}`);
    await sleep(50);
  }
}

/** A directory with these files, which goes with the test. */
export function directory(t, files) {
  const path = mkdtempSync(join(tmpdir(), 'browser-'));
  t.after(() => rmSync(path, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

/** The server, in maintenance unless `live` says otherwise: `live` are files in CONFIG_DIR, `settings` its environment. */
export async function serve(t, live = {}, settings = {}) {
  const config = directory(t, { MAINTENANCE_MODE: 'true', ...live });
  const child = spawn(SERVER, [], {
    env: { LISTEN: '127.0.0.1:0', MANAGEMENT_LISTEN: '127.0.0.1:0', LOG_FORMAT: 'off', CONFIG_DIR: config, ...settings },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  const address = await new Promise((resolve, reject) => {
    let log = '';
    child.stderr.setEncoding('utf8').on('data', text => {
      log += text;
      const found = / LISTEN is ([0-9.:]+)/.exec(log);
      if (found) resolve(found[1]);
    });
    child.on('exit', status => reject(new Error(`the server ended with ${status}: ${log}`)));
  });
  const url = `http://${address}`;
  return {
    url,
    /** Sets a live setting. */
    set: (name, text) => writeFileSync(join(config, name), text),
    /** Switches, and waits until it is in force. */
    async maintenance(on) {
      writeFileSync(join(config, 'MAINTENANCE_MODE'), `${on}`);
      await until('it is in force', async () => ((await ask(url)).headers['maintenance-mode'] === 'on') === on);
    },
  };
}

/**
 * What is in front of the server, on an origin of its own. `answers` has a function of request and response for each
 * `METHOD /path` that it answers itself, and `METHOD *` for every path; all else is the server's, if there is one. It may change.
 */
export async function front(t, server, answers = {}) {
  const requests = [];
  const listener = http.createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    const own = answers[`${request.method} ${request.url}`] ?? answers[`${request.method} *`];
    if (own) return own(request, response);
    if (!server) return answer('', {}, 404)(request, response);
    const { method, headers } = request;
    const onward = http.request(server.url + request.url, { method, headers }, answer => {
      response.writeHead(answer.statusCode, answer.rawHeaders);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
  await new Promise(resolve => listener.listen(0, '127.0.0.1', resolve));
  t.after(() => (listener.closeAllConnections(), listener.close()));
  return { url: `http://127.0.0.1:${listener.address().port}`, answers, requests };
}

/** An answer for `front`. */
export const answer = (body, headers = {}, status = 200) => (_, response) => {
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8', ...headers });
  response.end(body);
};

/** An answer read by a client that is no browser. */
export function ask(url, headers = {}) {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { headers, agent: false }, async response => {
      const chunks = [];
      for await (const chunk of response) chunks.push(chunk);
      resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) });
    });
    request.on('error', reject);
  });
}

/** A tab of its own, closed with the test. `options` are those of Playwright's contexts. */
export async function tab(t, options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  return page;
}

/** A tab whose clock the test moves, and where each choice at random is `random`, of 0 to 1. */
export async function clocked(t, random = 0.5, options = {}) {
  const page = await tab(t, options);
  await page.addInitScript(random => { Math.random = () => random; }, random);
  await page.clock.install();
  return page;
}

/** Moves the clock to just before a check and then past it. Fails where it is not then that the one check is made. */
export async function check(page, seconds) {
  const early = [];
  const note = request => request.method() === 'HEAD' && early.push(request.url());
  page.on('request', note);
  await page.clock.fastForward((seconds - 3) * 1000);
  // What the page has asked is known before what is asked of it next.
  await page.evaluate(() => 0);
  page.off('request', note);
  assert.deepEqual(early, [], `a check before ${seconds} s`);
  const checked = page.waitForRequest(request => request.method() === 'HEAD');
  await page.clock.fastForward(4000);
  await (await checked).response();
}
