// What the amqplib suites share: connections that close themselves, waiting for events, brokers of a test's own.
// The environment is that of harness.py.
'use strict';
const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { test } = require('node:test');
const amqp = require('amqplib');

const TEST_MS = 60000; // a test that takes longer has failed
const WAIT_MS = 20000;
const PORT = Number(process.env.CLIENTS_PORT);

function url(port = PORT, rest = '') {
  return `amqp://guest:guest@127.0.0.1:${port}/%2F?heartbeat=30${rest}`;
}

// The promise, or a failure that says what did not come.
async function within(promise, what, ms = WAIT_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// The first event of that name, as the list of its arguments.
function event(emitter, name, what = name) {
  return within(new Promise((resolve) => emitter.once(name, (...args) => resolve(args))), what);
}

// Deliveries as they come: `take(n)` waits until there are n of them and gives all.
class Inbox {
  constructor() {
    this.messages = [];
    this.cancelled = 0;
    this.wanted = [];
    this.push = (message) => {
      if (message === null) this.cancelled++;
      else this.messages.push(message);
      this.wanted = this.wanted.filter(({ count, resolve }) => {
        if (this.messages.length < count) return true;
        resolve();
        return false;
      });
    };
  }

  async take(count) {
    if (this.messages.length < count) {
      const enough = new Promise((resolve) => this.wanted.push({ count, resolve }));
      await within(enough, `${count} deliveries`).catch((e) => {
        throw new Error(`${e.message}; came: ${this.messages.length}`);
      });
    }
    return this.messages;
  }

  bodies() {
    return this.messages.map((m) => m.content.toString());
  }
}

// One test's connections and names.
class World {
  constructor(t) {
    this.t = t;
    this.open = [];
  }

  name(what = 'queue') {
    return `${what}-${crypto.randomUUID().slice(0, 13)}`;
  }

  async connect(where = url(), options = {}) {
    const connection = await within(amqp.connect(where, options), 'connecting');
    connection.on('error', () => {}); // a test that expects one listens itself
    let isOpen = true;
    connection.on('close', () => { isOpen = false; });
    this.open.push(async () => {
      if (isOpen) await connection.close().catch(() => {});
    });
    return connection;
  }

  // A channel on a connection of its own.
  async channel(where, options) {
    const channel = await (await this.connect(where, options)).createChannel();
    channel.on('error', () => {});
    return channel;
  }

  async confirmChannel(where) {
    const channel = await (await this.connect(where)).createConfirmChannel();
    channel.on('error', () => {});
    return channel;
  }

  // An exclusive queue: it goes with the connection.
  async queue(channel, name = '', options = {}) {
    return (await channel.assertQueue(name, { exclusive: true, durable: false, ...options })).queue;
  }

  // A queue that several connections may use; deleted at the end of the test.
  async sharedQueue(channel, options = {}) {
    const name = this.name();
    await channel.assertQueue(name, { durable: false, ...options });
    this.open.push(async () => (await this.channel()).deleteQueue(name));
    return name;
  }

  async exchange(channel, type, options = {}) {
    const name = this.name(type);
    await channel.assertExchange(name, type, { durable: false, ...options });
    this.open.push(async () => (await this.channel()).deleteExchange(name));
    return name;
  }

  async consume(channel, queue, options = {}) {
    const inbox = new Inbox();
    inbox.tag = (await channel.consume(queue, inbox.push, options)).consumerTag;
    return inbox;
  }

  async getAll(channel, queue) {
    const bodies = [];
    for (let m = await channel.get(queue, { noAck: true }); m; m = await channel.get(queue, { noAck: true })) {
      bodies.push(m.content.toString());
    }
    return bodies;
  }

  // Port and certificates of the TLS listener.
  tls() {
    const certs = process.env.CLIENTS_CERTS;
    const read = (name) => fs.readFileSync(path.join(certs, name));
    return {
      where: { protocol: 'amqps', hostname: 'localhost', port: Number(process.env.CLIENTS_TLS_PORT), heartbeat: 30 },
      ca: read('ca.pem'), cert: read('client.pem'), key: read('client.key'),
    };
  }

  // A broker of this test's own, not started: start(), stop() and start() again keep the port.
  ownBroker(port, config = '') {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'leveret-clients.'));
    const file = path.join(dir, 'broker.conf');
    fs.mkdirSync(path.join(dir, 'data'));
    fs.writeFileSync(file, config);
    let child = null;
    const broker = {
      async start() {
        child = spawn('setpriv', ['--pdeathsig', 'TERM', process.env.CLIENTS_BROKER, '--listen', `127.0.0.1:${port}`,
          '--data-dir', path.join(dir, 'data'), '--shards', process.env.CLIENTS_SHARDS || '1', '--config', file],
        { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
        const ready = new Promise((resolve, reject) => {
          let text = '';
          child.stdout.on('data', (chunk) => {
            text += chunk;
            if (text.includes('ready')) resolve();
          });
          child.once('exit', (code) => reject(new Error(`the broker ended with ${code}: ${text}`)));
        });
        await within(ready, 'a ready broker', TEST_MS);
      },
      async stop() {
        if (child === null || child.exitCode !== null) return;
        const gone = once(child, 'exit');
        child.kill('SIGTERM');
        const [code] = await within(gone, 'the end of the broker');
        assert.equal(code, 0);
      },
    };
    this.open.push(async () => {
      try {
        await broker.stop();
      } finally {
        if (child !== null && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
        fs.rmSync(dir, { recursive: true, force: true });
      }
    });
    return broker;
  }

  async end() {
    let problem = null;
    for (const close of this.open.reverse()) {
      await within(close(), 'cleaning up').catch((e) => { problem = problem || e; });
    }
    if (problem) throw problem;
  }
}

// A test with its World; `needs` names the variables without which it is skipped.
function client(name, needs, body) {
  if (typeof needs === 'function') [needs, body] = [[], needs];
  const missing = needs.filter((key) => !process.env[key]);
  test(name, { timeout: TEST_MS, skip: missing.length ? `no ${missing.join(', ')}` : false }, async (t) => {
    const world = new World(t);
    try {
      await body(world);
    } finally {
      await world.end();
    }
  });
}

const numbered = (count, prefix = 'm') => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

async function freePort() {
  const server = require('node:net').createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

// The channel's error and its end; act() must cause them.
async function channelError(channel, code, text, act) {
  const ended = event(channel, 'close', 'the end of the channel');
  const told = event(channel, 'error', 'the error of the channel');
  const acted = (async () => act())().catch(() => {});
  const [error] = await told;
  await ended;
  await acted;
  assert.equal(error.code, code);
  assert.ok(error.message.includes(text), error.message);
}

module.exports = { PORT, Inbox, channelError, client, event, freePort, numbered, url, within };
