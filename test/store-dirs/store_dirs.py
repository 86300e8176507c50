#!/usr/bin/env python3
"""Data directories of earlier versions: a node that starts on a copy of one serves exactly what is listed beside it.

  store_dirs.py check LEVERET [NAME...]     for each NAME.tar.gz here: starts on a copy, compares with NAME.txt
  store_dirs.py make LEVERET NAME           makes them both: NAME is the format's version, perhaps `operator` or `refused`,
                                            and how the node ended, as in `1-killed` or `1-operator-killed`

`operator`: what operators declare is there, too, and listed as the node exports it (with the leveretctl beside LEVERET,
or in the build's folder of it).
`refused`: clients asked for what that version refused and later ones know, before anything else was declared.
From version 2 on some messages expire: those that do so soon are never served, wherever they were.

A new format version gets directories of its own, made by the last commit that wrote the old ones. They are never made
anew.
"""
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time

for candidate in ("", "/usr/bin/python3"):
    try:
        import pika
        break
    except ImportError:
        if os.path.realpath(sys.executable) == os.path.realpath("/usr/bin/python3"):
            sys.exit("store_dirs: no pika: apt-get install python3-pika")
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "clients"))
import broker  # noqa: E402  (its place is known only now)

QUEUES = ["plain", "deep", "acked", "given", "fan1", "fan2", "big", "args", "empty"]
EXCHANGES = ["x.direct", "x.fanout", "x.topic", "x.headers", "x.up"]
ROUTES = [("x.direct", "k"), ("x.direct", "none"), ("x.fanout", ""), ("x.topic", "a.b"), ("x.topic", "b.a.c"),
          ("x.up", "k"), ("", "plain")]
SOON_MS = 10000  # a node is made and killed meanwhile
EVER = "315360000000"  # the longest time that a message may have: ten years
CONFIG = """leveret.store.log_file_size = 1MiB
leveret.store.log_files = 1
leveret.store.segment_size = 1MiB
leveret.queue_memory = 1MiB
"""

# What operators declare beside users and vhosts.
OPERATOR = {
    "users": [{"name": "ann", "password": "secret", "tags": "monitoring", "limits": {"max-channels": 50}}],
    "vhosts": [{"name": "two", "metadata": {"description": "the second", "tags": ["a", "b"], "default_queue_type": "classic",
                                            "protected_from_deletion": True}, "limits": {"max-queues": 7}}],
    "permissions": [{"user": "ann", "vhost": "two", "configure": "^c", "write": "", "read": ".*"}],
    "topic_permissions": [{"user": "ann", "vhost": "two", "exchange": "amq.topic", "write": "^{username}", "read": "x"}],
    "global_parameters": [{"name": "cluster_name", "value": "kept"}],
    "policies": [{"vhost": "/", "name": "p", "pattern": "^x\\.", "apply-to": "exchanges", "priority": -2,
                  "definition": {"alternate-exchange": "x.up"}}],
    "parameters": [
        {"component": "operator_policy", "vhost": "two", "name": "o",
         "value": {"pattern": "q", "definition": {"max-length": 5}, "priority": 9, "apply-to": "queues"}},
        {"component": "shovel", "vhost": "two", "name": "s", "value": {"src-queue": "a", "n": [1, None, 2.5]}}],
    "queues": [{"name": "q", "vhost": "two", "durable": True, "auto_delete": False, "arguments": {"x-max-length": 9}}],
}


def ctl(program, one, *words, **more):
    tool = next(path for path in (os.path.join(os.path.dirname(program), "leveretctl"),
                                  os.path.join(os.path.dirname(program), "../ctl/leveretctl")) if os.path.exists(path))
    return subprocess.run([tool, "--data-dir", os.path.join(one.dir, "data"), *words], check=True, text=True,
                          stdout=subprocess.PIPE, **more).stdout


def of_operator(program, one):
    for section, items in json.loads(ctl(program, one, "export_definitions", "-")).items():
        if isinstance(items, list):
            yield from (f"{section}: {line}" for line in sorted(json.dumps(item, sort_keys=True) for item in items))


def connect(one):
    return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", one.port, heartbeat=0, socket_timeout=60))


# ---- making one ----

def body(i, size):
    return (f"{i:08d}" * (size // 8 + 1)).encode()[:size]


def publish(channel, exchange, key, i, size, **properties):
    properties.setdefault("delivery_mode", 2)
    channel.basic_publish(exchange, key, body(i, size), pika.BasicProperties(message_id=f"m{i}", **properties))


def declare(channel):
    for name in EXCHANGES:
        kind = name.split(".")[1]
        channel.exchange_declare(name, "fanout" if kind == "up" else kind, durable=True,
                                 arguments={"alternate-exchange": "x.fanout"} if kind == "topic" else None)
    for name in QUEUES:
        channel.queue_declare(name, durable=True, arguments={"x-max-priority": 3} if name == "args" else None)
    channel.queue_declare("deleted", durable=True)
    channel.queue_declare("fleeting")
    channel.queue_bind("plain", "x.direct", "k")
    channel.queue_bind("fan1", "x.fanout")
    channel.queue_bind("fan2", "x.fanout")
    channel.queue_bind("deep", "x.topic", "a.*")
    channel.queue_bind("big", "x.headers", arguments={"x-match": "all", "n": 1})
    channel.exchange_bind("x.direct", "x.up")
    channel.queue_bind("empty", "x.direct", "gone")
    channel.queue_unbind("empty", "x.direct", "gone")


def get(channel, queue, count, ack_every):
    for i in range(count):
        method, _, _ = channel.basic_get(queue)
        if ack_every and i % ack_every == 0:
            channel.basic_ack(method.delivery_tag)


def ask_for_unknown(one):
    for ask in (lambda ch: ch.exchange_declare("x.none", "x-random", durable=True),
                lambda ch: ch.exchange_declare("x.none", "x-consistent-hash"),
                lambda ch: ch.queue_declare("none", durable=True, arguments={"x-queue-type": "quorum"})):
        try:
            with connect(one) as other:
                ask(other.channel())
        except pika.exceptions.AMQPError:
            continue
        sys.exit("what should be refused was not")


def expire(channel, first):
    publish(channel, "", "empty", first, 100, expiration=str(SOON_MS))
    publish(channel, "", "empty", first + 1, 100, expiration=EVER)


def fill(one, name):
    if "refused" in name:
        ask_for_unknown(one)
    is_expiring = int(name.split("-")[0]) >= 2
    connection = connect(one)
    channel = connection.channel()
    channel.confirm_delivery()
    declare(channel)
    if is_expiring:
        expire(channel, 9000)  # they end up in segments
    publish(channel, "", "deleted", 1, 100)
    channel.queue_delete("deleted")
    publish(channel, "", "plain", 2, 100, headers={"n": 1, "list": [1, "two", {"three": 3}]}, content_type="text/plain",
            correlation_id="c", reply_to="r", expiration=EVER if is_expiring else "86400000000", type="t", user_id="guest", app_id="a",
            timestamp=1700000000, priority=2)
    publish(channel, "", "plain", 3, 0)
    publish(channel, "", "plain", 4, 10, delivery_mode=1)  # transient: not there after the start
    for i in range(10, 710):  # more than the log keeps: segments
        publish(channel, "x.topic", "a.b", i, 3500)
    with connect(one) as other:  # every second one is acknowledged, the others come back
        get(other.channel(), "deep", 300, ack_every=2)
    for i in range(710, 1010):  # and their ack files
        publish(channel, "x.topic", "a.b", i, 3500)
    for i in range(4000, 4050):
        publish(channel, "", "acked", i, 200)
    for i in range(5000, 5010):
        publish(channel, "", "given", i, 200)
    publish(channel, "x.fanout", "", 6000, 3000)
    publish(channel, "", "big", 7000, 2_000_000)  # a file of its own
    publish(channel, "", "big", 7001, 1_500_000)
    get(channel, "acked", 20, ack_every=1)
    get(channel, "big", 1, ack_every=1)
    get(channel, "given", 4, ack_every=0)
    with connect(one) as other:
        tx = other.channel()
        tx.tx_select()
        publish(tx, "", "plain", 8000, 50)
        publish(tx, "", "args", 8001, 50)
        tx.tx_commit()
        publish(tx, "", "plain", 8002, 50)  # never committed
    if is_expiring:
        expire(channel, 9002)  # and these in the log
    channel.queue_declare("given", passive=True)
    return connection


def make(program, name):
    one = broker.Broker(program, shards=2, config=CONFIG)
    try:
        one.start()
        connection = fill(one, name)
        if "operator" in name:
            ctl(program, one, "import_definitions", "-", input=json.dumps(OPERATOR))
        if name.endswith("killed"):
            one.kill()
        else:
            connection.close()
            one.stop()
        with tarfile.open(os.path.join(HERE, name + ".tar.gz"), "w:gz") as tar:
            tar.add(os.path.join(one.dir, "data"), "data", filter=without_secrets)
    finally:
        one.close()
    deadline = time.monotonic() + 60
    while f'"expiration": "{SOON_MS}"' in (text := serve(program, name, shards=1)):
        if time.monotonic() > deadline:
            sys.exit(f"{name}: what expires soon is still served")
    if text != serve(program, name, shards=3):
        sys.exit(f"{name}: two starts serve different things")
    with open(os.path.join(HERE, name + ".txt"), "w", encoding="utf-8") as f:
        f.write(text)


def without_secrets(info):
    is_store = info.name == "data" or info.name.startswith("data/store")
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    return info if is_store else None


# ---- reading one ----

def of_queue(connection, queue):
    channel = connection.channel()
    declared = channel.queue_declare(queue, passive=True).method
    yield f"queue {queue}: {declared.message_count} messages"
    while True:
        method, properties, content = channel.basic_get(queue)
        if method is None:
            break
        known = {k: v for k, v in sorted(vars(properties).items()) if v is not None}
        yield (f"  '{method.exchange}' '{method.routing_key}'{' redelivered' if method.redelivered else ''} "
               f"{json.dumps(known, sort_keys=True, default=str)} {len(content)} bytes {hashlib.sha256(content).hexdigest()[:16]}")
        channel.basic_ack(method.delivery_tag)
    channel.queue_declare(queue, passive=True)


def is_there(connection, ask):
    channel = connection.channel()
    try:
        ask(channel)
        channel.close()
        return True
    except pika.exceptions.ChannelClosedByBroker:
        return False


def of_routes(connection):
    channel = connection.channel()
    channel.confirm_delivery()
    for exchange, key in ROUTES:
        try:
            channel.basic_publish(exchange, key, b"probe", mandatory=True)
        except pika.exceptions.UnroutableError:
            pass
        reached = [q for q in QUEUES if channel.basic_get(q, auto_ack=True)[0]]
        yield f"route '{exchange}' '{key}': {' '.join(reached)}"
    channel.basic_publish("x.headers", "", b"probe", pika.BasicProperties(headers={"n": 1}))
    yield f"route 'x.headers' n=1: {' '.join(q for q in QUEUES if channel.basic_get(q, auto_ack=True)[0])}"


def serve(program, name, shards):
    """Everything that a node on a copy of the directory gives to clients, as text."""
    one = broker.Broker(program, shards=shards, config=CONFIG)
    try:
        with tarfile.open(os.path.join(HERE, name + ".tar.gz")) as tar:
            tar.extractall(one.dir)
        one.start()
        lines = []
        with connect(one) as connection:
            for x in EXCHANGES + ["x.none"]:
                there = is_there(connection, lambda ch: ch.exchange_declare(x, passive=True))
                lines.append(f"exchange {x}: {'there' if there else 'not there'}")
            for q in ["deleted", "fleeting"]:
                there = is_there(connection, lambda ch: ch.queue_declare(q, passive=True))
                lines.append(f"queue {q}: {'there' if there else 'not there'}")
            args = is_there(connection, lambda ch: ch.queue_declare("args", durable=True, arguments={"x-max-priority": 3}))
            lines.append(f"queue args: {'has' if args else 'has not'} its arguments")
            for q in QUEUES:
                lines.extend(of_queue(connection, q))
            lines.extend(of_routes(connection))
        if "operator" in name:
            lines.extend(of_operator(program, one))
        return "\n".join(lines) + "\n"
    finally:
        one.kill()
        shutil.rmtree(one.dir, ignore_errors=True)


def check(program, names):
    passed = failed = 0
    for name in names or sorted(f[:-7] for f in os.listdir(HERE) if f.endswith(".tar.gz")):
        with open(os.path.join(HERE, name + ".txt"), encoding="utf-8") as f:
            want = f.read().splitlines()
        try:
            have = serve(program, name, shards=2).splitlines()
        except (RuntimeError, pika.exceptions.AMQPError) as e:
            have = [f"{type(e).__name__}: {e}"]
        different = [(w, h) for w, h in zip(want + [""] * len(have), have + [""] * len(want)) if w != h]
        print(f"{name}: {len(want)} lines" + (f", {len(different)} differ" if different else ""))
        for w, h in different[:5]:
            print(f"  listed: {w}\n  served: {h}")
        failed += bool(different)
        passed += not different
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if sys.argv[1] == "make":
    sys.exit(make(os.path.abspath(sys.argv[2]), sys.argv[3]))
sys.exit(check(os.path.abspath(sys.argv[2]), sys.argv[3:]))
