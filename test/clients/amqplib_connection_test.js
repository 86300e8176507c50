// Connections and channels, as an amqplib user meets them: logging in, errors, the callback API, TLS, a broker that goes and
// comes back.
'use strict';
const assert = require('node:assert/strict');
const amqp = require('amqplib');
const callbacks = require('amqplib/callback_api');
const { PORT, channelError, client, event, freePort, url, within } = require('./amqplib_base');

client('wrong password is refused', async () => {
  await assert.rejects(amqp.connect(`amqp://guest:wrong@127.0.0.1:${PORT}`), /403|ACCESS[-_]REFUSED/);
});

client('unknown vhost is refused', async () => {
  await assert.rejects(amqp.connect(`amqp://guest:guest@127.0.0.1:${PORT}/nowhere`), /Expected ConnectionOpenOk; got <ConnectionClose/);
});

client('AMQPLAIN logs in', async (w) => {
  const connection = await w.connect(url(), { credentials: amqp.credentials.amqplain('guest', 'guest') });
  await w.queue(await connection.createChannel());
});

client('server properties are those that libraries look at', async (w) => {
  const { serverProperties: found } = (await w.connect()).connection;
  assert.equal(found.product, 'RabbitMQ');
  assert.match(found.version, /^\d+\.\d+\.\d+/);
  assert.ok(found.cluster_name);
  for (const name of ['publisher_confirms', 'exchange_exchange_bindings', 'basic.nack', 'consumer_cancel_notify',
    'connection.blocked', 'authentication_failure_close', 'per_consumer_qos', 'direct_reply_to']) {
    assert.equal(found.capabilities[name], true, name);
  }
});

client('heartbeats keep an idle connection', async (w) => {
  const connection = await w.connect(`amqp://guest:guest@127.0.0.1:${PORT}/%2F?heartbeat=1`);
  let closed = null;
  connection.on('error', (e) => { closed = e; });
  connection.on('close', (e) => { closed = closed || e || 'closed'; });
  // Both sides give up after two silent seconds; a beat of ours a second says that nothing else was sent.
  for (let beats = 0; beats < 4; beats++) await event(connection.connection.heartbeater, 'beat');
  assert.equal(closed, null);
  await w.queue(await connection.createChannel());
});

client('secret can be updated', async (w) => {
  const connection = await w.connect();
  await within(connection.updateSecret(Buffer.from('guest'), 'a test'), 'update-secret-ok');
  await w.queue(await connection.createChannel());
});

client('missing queue: 404 on the channel, the connection stays', async (w) => {
  const connection = await w.connect();
  const channel = await connection.createChannel();
  const name = w.name('missing');
  await channelError(channel, 404, `no queue '${name}' in vhost '/'`, () => channel.checkQueue(name));
  await w.queue(await connection.createChannel());
});

client('missing exchange: 404 on the channel', async (w) => {
  const channel = await w.channel();
  const name = w.name('missing');
  await channelError(channel, 404, `no exchange '${name}' in vhost '/'`, () => channel.publish(name, '', Buffer.from('x')));
});

client('queue declared differently: 406 on the channel', async (w) => {
  const channel = await w.channel();
  const name = await w.sharedQueue(channel, { durable: false });
  await channelError(channel, 406, "inequivalent arg 'durable'", () => channel.assertQueue(name, { durable: true }));
});

client('double acknowledgement: 406 on the channel', async (w) => {
  const channel = await w.channel();
  const queue = await w.queue(channel);
  channel.sendToQueue(queue, Buffer.from('x'));
  const message = await channel.get(queue);
  await channelError(channel, 406, 'unknown delivery tag 1', () => {
    channel.ack(message);
    channel.ack(message);
  });
});

client('confirms of a channel that fails are reported', async (w) => {
  const channel = await w.confirmChannel();
  const settled = new Promise((resolve) => channel.publish(w.name('missing'), '', Buffer.from('x'), {}, resolve));
  const error = await within(settled, 'the callback');
  assert.ok(error instanceof Error);
});

client('exclusive queue: locked for others, gone with its connection', async (w) => {
  const [owner, other] = [await w.connect(), await w.channel()];
  const name = w.name();
  await w.queue(await owner.createChannel(), name);
  await channelError(other, 405, 'cannot obtain exclusive access to locked queue', () => other.checkQueue(name));
  await owner.close();
  await w.queue(await w.channel(), name);
});

client('hundred channels on one connection', async (w) => {
  const connection = await w.connect();
  const channels = await Promise.all(Array.from({ length: 100 }, () => connection.createChannel()));
  const queues = await Promise.all(channels.map((channel) => w.queue(channel)));
  channels.forEach((channel, i) => channel.sendToQueue(queues[i], Buffer.from(String(i))));
  const found = await Promise.all(channels.map((channel, i) => channel.get(queues[i], { noAck: true })));
  assert.deepEqual(found.map((m) => m && m.content.toString()), channels.map((_, i) => String(i)));
  await Promise.all(channels.map((channel) => channel.close()));
});

client('callback API: publish, consume, confirm, close', async () => {
  const body = await within(new Promise((resolve, reject) => {
    const or = (next) => (err, value) => (err ? reject(err) : next(value));
    callbacks.connect(url(), {}, or((connection) => {
      connection.createConfirmChannel(or((channel) => {
        channel.assertQueue('', { exclusive: true }, or(({ queue }) => {
          let confirmed = false;
          channel.consume(queue, (message) => {
            channel.ack(message);
            channel.waitForConfirms(or(() => channel.close(or(() => connection.close(or(() => {
              assert.ok(confirmed);
              resolve(message.content.toString());
            }))))));
          }, {}, or(() => channel.sendToQueue(queue, Buffer.from('by callbacks'), {}, or(() => { confirmed = true; }))));
        }));
      }));
    }));
  }), 'the callbacks');
  assert.equal(body, 'by callbacks');
});

client('callback API: a channel error reaches callback and event', async () => {
  const [error, event] = await within(new Promise((resolve, reject) => {
    callbacks.connect(url(), {}, (failed, connection) => {
      if (failed) return reject(failed);
      connection.createChannel((_, channel) => {
        const told = new Promise((done) => channel.on('error', done));
        channel.checkQueue('missing-for-callbacks', (err) => told.then((e) => connection.close(() => resolve([err, e]))));
      });
    });
  }), 'both');
  assert.ok(error instanceof Error);
  assert.equal(event.code, 404);
});

client('TLS', ['CLIENTS_TLS_PORT'], async (w) => {
  const { where, ca } = w.tls();
  const channel = await w.channel(where, { ca });
  const queue = await w.queue(channel);
  const body = Buffer.alloc(3 << 20, 'tls');
  channel.sendToQueue(queue, body);
  assert.ok((await channel.get(queue, { noAck: true })).content.equals(body));
});

client('TLS: EXTERNAL logs in by certificate', ['CLIENTS_TLS_PORT'], async (w) => {
  const { where, ca, cert, key } = w.tls();
  const channel = await w.channel(where, { ca, cert, key, credentials: amqp.credentials.external() });
  const queue = await w.queue(channel);
  channel.sendToQueue(queue, Buffer.from('x'), { userId: 'guest' });
  assert.equal((await channel.get(queue, { noAck: true })).properties.userId, 'guest');
});

client('TLS: EXTERNAL without a certificate is refused', ['CLIENTS_TLS_PORT'], async (w) => {
  const { where, ca } = w.tls();
  await assert.rejects(within(amqp.connect(where, { ca, credentials: amqp.credentials.external() }), 'an answer'),
    (e) => !/not within/.test(e.message));
});

client('restart: the client is told, and connects again by hand', ['CLIENTS_BROKER'], async (w) => {
  const port = await freePort();
  const broker = w.ownBroker(port);
  await broker.start();
  const connection = await w.connect(url(port));
  await w.queue(await connection.createChannel());
  const closed = event(connection, 'close', 'the end of the connection');
  await broker.stop();
  const [reason] = await closed;
  assert.match(String(reason), /320|CONNECTION[-_]FORCED/);
  await assert.rejects(amqp.connect(url(port)), /ECONNREFUSED/);
  await broker.start();
  await w.queue(await w.channel(url(port)));
});

client('restart: amqplib\'s own recovery reconnects and sets up anew', ['CLIENTS_BROKER'], async (w) => {
  const port = await freePort();
  const broker = w.ownBroker(port);
  await broker.start();
  const queue = w.name();
  let setups = 0;
  let again;
  const twice = new Promise((resolve) => { again = resolve; });
  const setup = async (connection) => {
    const channel = await connection.createChannel();
    await channel.assertQueue(queue, { durable: false });
    await channel.close();
    if (++setups === 2) again();
  };
  const connection = await within(amqp.connect(url(port), {
    recovery: { initialDelay: 50, maxDelay: 500, setup },
  }), 'connecting');
  try {
    connection.on('error', () => {});
    await broker.stop();
    await broker.start();
    await within(twice, 'the second set-up');
    const channel = await connection.createConfirmChannel();
    channel.sendToQueue(queue, Buffer.from('back'));
    await within(channel.waitForConfirms(), 'a confirm');
    assert.equal((await channel.get(queue, { noAck: true })).content.toString(), 'back');
  } finally {
    await connection.close();
  }
});

client('memory: blocked is told with its reason', ['CLIENTS_BROKER'], async (w) => {
  const port = await freePort();
  const broker = w.ownBroker(port, 'vm_memory_high_watermark.absolute = 1\n');
  await broker.start();
  const connection = await w.connect(url(port));
  const blocked = event(connection, 'blocked');
  const channel = await connection.createChannel();
  channel.publish('', 'nowhere', Buffer.from('x'));
  assert.deepEqual(await blocked, ['low on memory']);
  const other = await w.channel(url(port));
  await w.consume(other, await w.queue(other));
});
