#!/usr/bin/env python3
"""kill -9 under load, again and again on one data directory: what was confirmed is there, once, in order.

  crash_test.py LEVERET [--cycles N] [--seed N] [--keep] [--alive]

Each cycle: the broker starts with 1, 2 or 3 shards in turn; everything in its queues is compared with what the clients
were told in all cycles before; publishers with confirms, a transactional one, consumers and a declarer go to work, and one
whose messages die: what was confirmed in kdying must turn up in its dead-letter queue, at least once; all
through pika; after some tenths of a second the process is killed (in every eighth cycle it is asked to stop). --keep
leaves the data directory of a failure, and beside it what it was before the last start. --alive tests the test: the broker lives on, only the clients go. The clients'
choices come from the seed, the moments do not.
"""
import argparse
import os
import random
import shutil
import signal
import sys
import time

for candidate in ("", "/usr/bin/python3"):
    try:
        import pika
        break
    except ImportError:
        if os.path.realpath(sys.executable) == os.path.realpath("/usr/bin/python3"):
            sys.exit("crash_test: no pika: apt-get install python3-pika")
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "clients"))
import broker  # noqa: E402  (its place is known only now)

from pika.adapters.select_connection import IOLoop  # noqa: E402

QUEUES = ["kq0", "kq1", "kq2", "kq3"]
FANOUT = {"kq1", "kq2"}
NEVER_CONSUMED = "kq3"  # but by the look at the beginning of a cycle
DYING, GRAVE, DYING_MS = "kdying", "kgrave", 30  # from the one to the other by TTL, or rejected
WINDOW = 100  # unanswered publishes of a client
DEADLINE_S = 60
# As small as they can be, so that log files are used again and segments come and go.
CONFIG = """leveret.store.log_file_size = 1MiB
leveret.store.log_files = 2
leveret.store.segment_size = 1MiB
leveret.queue_memory = 1MiB
"""
BACKLOG_MOST = 3000  # messages in a queue above which it is emptied, not only looked at


class Finding(Exception):
    pass


class Copy:
    """A message's copy in one queue: see test/sim/crash_model.h for the words."""
    __slots__ = ("sure", "may_be_gone", "gone", "given", "settle_tx")

    def __init__(self):
        self.sure = self.may_be_gone = self.gone = self.given = False
        self.settle_tx = None


class Message:
    __slots__ = ("name", "publisher", "number", "queues", "persistent", "size", "tx", "copies")

    def __init__(self, publisher, number, queues, persistent, size, tx):
        self.name = f"{publisher}-{number}"
        self.publisher, self.number, self.persistent, self.size, self.tx = publisher, number, persistent, size, tx
        self.copies = {q: Copy() for q in queues}

    def body(self):
        unit = (self.name + "/").encode()
        return (unit * (self.size // len(unit) + 1))[:self.size]

    def properties(self):
        return pika.BasicProperties(message_id=self.name, delivery_mode=2 if self.persistent else 1,
                                    headers={"n": self.number, "text": self.publisher}, priority=self.number % 5)


class Tx:
    def __init__(self):
        self.state = "open"  # committing, committed, void
        self.published, self.acked = [], []  # (message), (message, queue)


class Model:
    def __init__(self):
        self.messages = {}
        self.txs = []
        self.has_been_asked = set()
        self.declared, self.declaring = set(), {}  # names that are there; names in doubt
        self.confirms = self.looked = 0
        self.dying, self.buried = {}, set()  # confirmed messages by their name, with their bodies; those that were found

    def publish(self, publisher, number, queues, persistent, size, tx=None):
        m = Message(publisher, number, queues, persistent, size, tx)
        self.messages[m.name] = m
        if tx:
            tx.published.append(m)
        return m

    def confirmed(self, m):
        self.confirms += 1
        for c in m.copies.values():
            c.sure = True

    def identify(self, queue, properties, body):
        m = self.messages.get(properties.message_id)
        if m is None:
            raise Finding(f"a ghost in {queue}: {properties.message_id} was never published")
        if queue not in m.copies:
            raise Finding(f"{m.name} is in {queue}, where it was not routed")
        want = m.properties()
        if (properties.headers, properties.priority, properties.delivery_mode) != (want.headers, want.priority,
                                                                                   want.delivery_mode):
            raise Finding(f"{m.name} in {queue} has other properties: {properties}")
        if body != m.body():
            raise Finding(f"{m.name} in {queue} has another body of {len(body)} bytes, not {m.size}")
        return m

    def given(self, queue, redelivered, properties, body):
        m = self.identify(queue, properties, body)
        c = m.copies[queue]
        if c.gone:
            raise Finding(f"{m.name} in {queue} has come again: it was taken for good")
        if m.tx and m.tx.state in ("open", "void"):
            raise Finding(f"{m.name} in {queue} is of a transaction that never was")
        if c.given and not redelivered:
            raise Finding(f"{m.name} in {queue} was given out before, and is not redelivered")
        if redelivered and queue not in self.has_been_asked:
            raise Finding(f"{m.name} in {queue} is redelivered, and nobody ever got it")
        c.given = True
        return m

    def ended(self, is_alive):
        for tx in self.txs:
            if tx.state == "open":
                tx.state = "void"
                for m, q in tx.acked:
                    m.copies[q].settle_tx = None
        for m in self.messages.values():
            for c in m.copies.values():
                if (not m.persistent and not is_alive) or (m.tx and m.tx.state == "void"):
                    c.gone = True

    def look(self, queue, deliveries):
        """All that a queue holds, in order, as (redelivered, properties, body). Returns the messages."""
        found, last = {}, {}
        for redelivered, properties, body in deliveries:
            m = self.given(queue, redelivered, properties, body)
            if m.name in found:
                raise Finding(f"{m.name} is in {queue} twice")
            found[m.name] = m
            if last.get(m.publisher, -1) >= m.number:
                raise Finding(f"{queue}: {m.name} stands behind {m.publisher}-{last[m.publisher]}")
            last[m.publisher] = m.number
        looks, lost = {}, []
        for m in self.messages.values():
            c = m.copies.get(queue)
            if c is None or c.gone:
                continue
            is_there = m.name in found
            settling = c.settle_tx is not None and c.settle_tx.state == "committing"
            if c.sure and not c.may_be_gone and not settling and not is_there:
                lost.append(m.name)
            if m.tx and m.tx.state == "committing" and not c.sure and not c.may_be_gone and not settling:
                looks.setdefault(m.tx, set()).add(is_there)
            if settling and c.sure and not c.may_be_gone:
                looks.setdefault(c.settle_tx, set()).add(not is_there)
            c.sure, c.gone, c.may_be_gone, c.settle_tx = is_there, not is_there, False, None
        if lost:
            raise Finding(f"{len(lost)} messages of {queue} are lost, {len(found)} are there: {' '.join(lost[:20])}")
        if any(len(seen) == 2 for seen in looks.values()):
            raise Finding(f"a transaction was done in part in {queue}")
        self.has_been_asked.add(queue)
        self.looked += len(found)
        return list(found.values())


# ---- load: all clients on one event loop ----

class Client:
    def __init__(self, load, name):
        self.load, self.name, self.model = load, name, load.model
        self.channel = None
        self.connection = pika.SelectConnection(load.parameters, on_open_callback=self.on_open,
                                                on_open_error_callback=load.on_end, on_close_callback=load.on_end,
                                                custom_ioloop=load.loop)

    def on_open(self, connection):
        connection.channel(on_open_callback=self.on_channel)

    def on_channel(self, channel):
        self.channel = channel
        channel.add_on_close_callback(self.load.on_end)
        self.begin()

    def later(self, fn, least=0.0005, most=0.004):
        self.load.loop.call_later(self.load.random.uniform(least, most), fn)

    def size(self):
        dice = self.load.random.randrange(400)
        return 1_200_000 if dice == 0 else self.load.random.randrange(60000 if dice < 12 else 900)

    def target(self):
        """exchange, routing key, queues"""
        if self.load.random.randrange(4) == 0:
            return "kx", "", FANOUT
        queue = self.load.random.choice(QUEUES)
        return "", queue, {queue}


class Publisher(Client):
    def begin(self):
        self.sent, self.unanswered, self.number = {}, 0, 0
        self.channel.confirm_delivery(self.on_confirm, callback=lambda frame: self.publish())

    def on_confirm(self, frame):
        if not isinstance(frame.method, pika.spec.Basic.Ack):
            raise Finding(f"a publish of {self.name} is refused")
        tag = frame.method.delivery_tag
        for t in [t for t in self.sent if t <= tag] if frame.method.multiple else [tag]:
            self.model.confirmed(self.sent.pop(t))

    def publish(self):
        for _ in range(self.load.random.randrange(1, 12)):
            if len(self.sent) >= WINDOW or not self.channel.is_open:
                break
            self.number += 1
            exchange, key, queues = self.target()
            m = self.model.publish(self.name, self.number, queues, self.load.random.randrange(6) > 0, self.size())
            self.sent[self.number] = m
            self.channel.basic_publish(exchange, key, m.body(), m.properties())
        self.later(self.publish)


class Transactional(Client):
    def begin(self):
        self.number, self.held, self.tx = 0, [], None
        self.channel.basic_qos(prefetch_count=20)
        self.channel.tx_select(callback=lambda frame: self.work())
        self.model.has_been_asked.add("kq2")
        self.channel.basic_consume("kq2", self.on_message)

    def on_message(self, channel, method, properties, body):
        self.held.append((method.delivery_tag, self.model.given("kq2", method.redelivered, properties, body)))

    def work(self):
        if not self.channel.is_open:
            return
        self.tx = Tx()
        self.model.txs.append(self.tx)
        for _ in range(self.load.random.randrange(1, 10)):
            self.number += 1
            exchange, key, queues = self.target()
            m = self.model.publish(self.name, self.number, queues, True, self.size(), self.tx)
            self.channel.basic_publish(exchange, key, m.body(), m.properties())
        for tag, m in self.held[:self.load.random.randrange(8)]:
            self.held.remove((tag, m))
            m.copies["kq2"].settle_tx = self.tx
            self.tx.acked.append((m, "kq2"))
            self.channel.basic_ack(tag)
        self.tx.state = "committing"
        self.channel.tx_commit(callback=self.on_commit)

    def on_commit(self, frame):
        self.tx.state = "committed"
        for m in self.tx.published:
            self.model.confirmed(m)
        for m, q in self.tx.acked:
            m.copies[q].gone = True
        self.later(self.work)


class Consumer(Client):
    def __init__(self, load, name, queue):
        self.queue = queue
        super().__init__(load, name)

    def begin(self):
        self.held = []
        self.model.has_been_asked.add(self.queue)
        self.channel.basic_qos(prefetch_count=50)
        self.channel.basic_consume(self.queue, self.on_message)
        self.work()

    def on_message(self, channel, method, properties, body):
        self.held.append((method.delivery_tag, self.model.given(self.queue, method.redelivered, properties, body)))

    def work(self):
        if not self.channel.is_open:
            return
        count = self.load.random.randrange(12)
        if self.held and self.load.random.randrange(3) == 0:  # some of the oldest at once
            some, self.held = self.held[:count + 1], self.held[count + 1:]
            for _, m in some:
                m.copies[self.queue].may_be_gone = True
            self.channel.basic_ack(some[-1][0], multiple=True)
        elif self.held:
            for _ in range(min(count, len(self.held))):
                tag, m = self.held.pop(self.load.random.randrange(len(self.held)))
                if self.load.random.randrange(10) == 0:
                    self.channel.basic_nack(tag, requeue=True)
                    continue
                m.copies[self.queue].may_be_gone = True
                self.channel.basic_ack(tag)
        self.later(self.work)


class Dying(Client):
    """Publishes to the queue whose messages die, and rejects some of them before their time."""

    def begin(self):
        self.sent, self.number = {}, 0
        self.channel.confirm_delivery(self.on_confirm, callback=lambda frame: self.publish())
        self.channel.basic_qos(prefetch_count=3)
        self.channel.basic_consume(DYING, lambda channel, method, properties, body:
                                   self.later(lambda: self.reject(method.delivery_tag), 0.001, 0.02))

    def reject(self, tag):
        if self.channel.is_open:
            self.channel.basic_nack(tag, requeue=False)

    def on_confirm(self, frame):
        tag = frame.method.delivery_tag
        for t in [t for t in self.sent if t <= tag] if frame.method.multiple else [tag]:
            name, body = self.sent.pop(t)
            self.model.dying[name] = body
            self.model.confirms += 1

    def publish(self):
        for _ in range(self.load.random.randrange(1, 8)):
            if len(self.sent) >= WINDOW or not self.channel.is_open:
                break
            self.number += 1
            name = f"{self.name}-{self.number}"
            self.sent[self.number] = name, (name.encode() * 80)[:self.load.random.randrange(1, 900)]
            self.channel.basic_publish("", DYING, self.sent[self.number][1],
                                       pika.BasicProperties(message_id=name, delivery_mode=2))
        self.later(self.publish)


class Declarer(Client):
    def begin(self):
        self.work()

    def work(self):
        if not self.channel.is_open:
            return
        name = f"kd{self.load.random.randrange(12)}"
        if name in self.model.declaring:
            self.later(self.work)
            return
        is_there = name in self.model.declared
        self.model.declaring[name] = is_there

        def answered(frame):
            del self.model.declaring[name]
            (self.model.declared.discard if is_there else self.model.declared.add)(name)
        if is_there:
            self.channel.queue_delete(name, callback=answered)
        else:
            self.channel.queue_declare(name, durable=True, callback=answered)
        self.later(self.work)


class Load:
    """Runs all clients until the process is gone."""

    def __init__(self, model, one, rng, cycle):
        self.model, self.random = model, rng
        self.loop = IOLoop()
        self.problem = None
        self.is_over = False
        self.parameters = pika.ConnectionParameters("127.0.0.1", one.port, heartbeat=0)
        self.clients = [Publisher(self, f"c{cycle}p{i}") for i in range(3)]
        self.clients += [Transactional(self, f"c{cycle}t"), Declarer(self, f"c{cycle}d"), Dying(self, f"c{cycle}x"),
                         Consumer(self, f"c{cycle}k0", "kq0"), Consumer(self, f"c{cycle}k1", "kq1")]

    def on_end(self, *reason):
        if not self.is_over:
            self.problem = Finding(f"a connection or channel ended by itself: {reason[-1]}")
            self.loop.stop()

    def run(self, seconds, end):
        def over():
            self.is_over = True
            if end:
                end()
                self.loop.call_later(0.05, self.loop.stop)  # confirms that are in the sockets still count
                return
            for c in self.clients:
                c.connection.close()
            wait_closed()

        def wait_closed():
            if all(c.connection.is_closed for c in self.clients):
                self.loop.stop()
            else:
                self.loop.call_later(0.005, wait_closed)
        self.loop.call_later(seconds, over)
        try:
            self.loop.start()
        finally:
            self.is_over = True
            for c in self.clients:
                stream = getattr(getattr(c.connection, "_transport", None), "abort", None)
                if stream and not c.connection.is_closed:
                    stream()
            self.loop.close()
        if self.problem:
            raise self.problem


# ---- looking ----

def connect(one):
    parameters = pika.ConnectionParameters("127.0.0.1", one.port, heartbeat=0, blocked_connection_timeout=DEADLINE_S,
                                           socket_timeout=DEADLINE_S)
    return pika.BlockingConnection(parameters)


def content(connection, channel, queue):
    """All messages of a queue, unsettled: (redelivered, properties, body), and the last delivery tag."""
    count = channel.queue_declare(queue, passive=True).method.message_count
    got, last = [], 0
    deadline = time.monotonic() + DEADLINE_S

    def on_message(ch, method, properties, body):
        nonlocal last
        got.append((method.redelivered, properties, body))
        last = method.delivery_tag
    tag = channel.basic_consume(queue, on_message)
    while len(got) < count:
        if time.monotonic() > deadline:
            raise Finding(f"{queue} says that it has {count} messages, and gives {len(got)}")
        connection.process_data_events(1)
    channel.basic_cancel(tag)
    if len(got) != count:
        raise Finding(f"{queue} says that it has {count} messages, and gives {len(got)}")
    return got, last


def is_declared(connection, name):
    channel = connection.channel()
    try:
        channel.queue_declare(name, passive=True)
        channel.close()
        return True
    except pika.exceptions.ChannelClosedByBroker as e:
        if e.reply_code != 404:
            raise
        return False


def check_declared(model, connection, is_alive):
    for name in [f"kd{i}" for i in range(12)]:
        is_there = is_declared(connection, name)
        if name not in model.declaring and is_there != (name in model.declared):
            raise Finding(f"queue {name} is {'there: it was deleted' if is_there else 'lost'}")
        (model.declared.add if is_there else model.declared.discard)(name)
    model.declaring.clear()
    for name in [*QUEUES, DYING, GRAVE]:
        if not is_declared(connection, name):
            raise Finding(f"queue {name} is lost")
    if is_declared(connection, "kfleeting") and not is_alive:
        raise Finding("a queue that is not durable has outlived its broker")


def look_at_graves(model, connection):
    """What was confirmed and has not been found yet comes to the dead-letter queue in the end."""
    channel = connection.channel()
    deadline = time.monotonic() + DEADLINE_S
    while missing := model.dying.keys() - model.buried:
        if time.monotonic() > deadline:
            raise Finding(f"{len(missing)} messages of {DYING} are lost on their way to {GRAVE}: "
                          f"{' '.join(sorted(missing)[:20])}")
        got, last = content(connection, channel, GRAVE)
        for _, properties, body in got:
            deaths = [(d["queue"], d["reason"], d["count"]) for d in properties.headers["x-death"]]
            if deaths not in ([(DYING, "expired", 1)], [(DYING, "rejected", 1)]):
                raise Finding(f"{properties.message_id} in {GRAVE} has died so: {deaths}")
            if model.dying.get(properties.message_id, body) != body:
                raise Finding(f"{properties.message_id} in {GRAVE} has another body")
            model.buried.add(properties.message_id)
        model.looked += len(got)
        if last:
            channel.basic_ack(last, multiple=True)
        connection.process_data_events(0.01)
    channel.close()


def look(model, one, rng, cycle, take_all, is_alive):
    connection = connect(one)
    check_declared(model, connection, is_alive)
    look_at_graves(model, connection)
    for queue in QUEUES:
        channel = connection.channel()  # what is only looked at goes back with it
        channel.confirm_delivery()
        got, last = content(connection, channel, queue)
        found = model.look(queue, got)
        if not found or not (take_all or len(found) > BACKLOG_MOST or rng.randrange(3) == 0):
            continue
        channel.basic_ack(last, multiple=True)
        if channel.queue_declare(queue, passive=True).method.message_count:
            raise Finding(f"{queue} was emptied, and is not empty")
        m = model.publish(f"c{cycle}look", QUEUES.index(queue), {queue}, True, 10)
        channel.basic_publish("", queue, m.body(), m.properties())  # returns with the confirm
        model.confirmed(m)
        for m in found:
            m.copies[queue].gone = True  # their acks stand before it in the log
    connection.channel().queue_declare("kfleeting")
    connection.close()


def declare(one):
    connection = connect(one)
    channel = connection.channel()
    channel.exchange_declare("kx", "fanout", durable=True)
    for queue in QUEUES:
        channel.queue_declare(queue, durable=True)
    for queue in FANOUT:
        channel.queue_bind(queue, "kx")
    channel.queue_declare(GRAVE, durable=True)
    channel.queue_declare(DYING, durable=True, arguments={"x-message-ttl": DYING_MS, "x-dead-letter-exchange": "",
                                                          "x-dead-letter-routing-key": GRAVE})
    connection.close()


def save(one):
    data, before = os.path.join(one.dir, "data"), os.path.join(one.dir, "before")
    shutil.rmtree(before, ignore_errors=True)
    if os.path.isdir(data):
        shutil.copytree(data, before, ignore=shutil.ignore_patterns("*.sock"))


def cycle_run(model, one, rng, cycle, is_alive):
    one.shards = 1 if is_alive else 1 + cycle % 3  # else what a client held comes back a moment after its goodbye
    began = time.monotonic()
    if not is_alive or cycle == 0:
        one.start()
    started = time.monotonic() - began
    if cycle == 0:
        declare(one)
    look(model, one, rng, cycle, take_all=False, is_alive=is_alive)
    looked = time.monotonic() - began - started
    is_kill = cycle % 8 != 7
    confirms = model.confirms
    end = one.process.kill if is_kill else one.process.terminate
    Load(model, one, rng, cycle).run(rng.uniform(0.1, 1.0), None if is_alive else end)
    if not is_alive:
        code = one.ended()
        if code != (-signal.SIGKILL if is_kill else 0):
            raise Finding(f"the broker ended with code {code}")
    model.ended(is_alive)
    print(f"cycle {cycle:3}: {one.shards} shards, started in {started:.2f} s, looked in {looked:.2f} s, "
          f"{model.confirms - confirms} confirms{'' if is_alive else ', killed' if is_kill else ', stopped'}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("leveret")
    parser.add_argument("--cycles", type=int, default=40)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--alive", action="store_true")
    args = parser.parse_args()
    print(f"seed {args.seed}")
    rng, model = random.Random(args.seed), Model()
    one = broker.Broker(os.path.abspath(args.leveret), config=CONFIG)
    passed, failed = 0, 0
    try:
        for cycle in range(args.cycles):
            if args.keep:
                save(one)
            cycle_run(model, one, rng, cycle, args.alive)
            passed += 1
        if not args.alive:
            one.start()
        look(model, one, rng, args.cycles, take_all=True, is_alive=args.alive)
        print(f"{model.confirms} confirms, {model.looked} messages looked at, {len(model.messages)} published")
    except (Finding, RuntimeError, pika.exceptions.AMQPError) as e:
        failed = 1
        print(f"FAILED in cycle {passed}, seed {args.seed}: {type(e).__name__}: {e}\nthe broker's last lines:\n{one.log()}")
    finally:
        one.kill()
        if failed and args.keep:
            print(f"the data directory: {one.dir}")
        else:
            one.close()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
