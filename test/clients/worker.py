"""A consumer in a process of its own, to be killed or stopped by a test.

  worker.py PORT QUEUE PREFETCH HEARTBEAT     prints the body of each delivery, and acknowledges none
"""
import sys

import pika

port, queue, prefetch, heartbeat = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
connection = pika.BlockingConnection(pika.ConnectionParameters('127.0.0.1', port, heartbeat=heartbeat))
channel = connection.channel()
channel.basic_qos(prefetch_count=prefetch)
channel.basic_consume(queue, lambda ch, method, properties, body: print(body.decode(), flush=True))
channel.start_consuming()
