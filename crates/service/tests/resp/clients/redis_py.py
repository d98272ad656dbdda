"""Runs the script with redis-py and prints what it makes of each reply.

Arguments: host, port, protocol (2 or 3). Standard input: the script, a JSON list of lists of words.
"""

import json
import sys
import threading

import redis

host, port, protocol = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def connect(**options):
    return redis.Redis(host=host, port=port, protocol=protocol, socket_timeout=20, **options)


def told(work):
    try:
        return repr(work())
    except redis.RedisError as error:
        return f"{type(error).__name__}: {error}"


one = connect(single_connection_client=True, client_name="script", decode_responses=True)
for words in json.load(sys.stdin):
    print(" ".join(words), "=>", told(lambda: one.execute_command(*words)))

# What libraries do beyond single commands.
pool = connect(decode_responses=True)
print("transaction", told(lambda: pool.pipeline().set("p", 1).incr("p").get("p").execute()))
plain = pool.pipeline(transaction=False)
for n in range(200):
    plain.set(f"p{n}", n).get(f"p{n}").mget("p0", f"p{n}")
print("pipeline", told(plain.execute))
print("transaction()", told(lambda: pool.transaction(lambda pipe: (pipe.multi(), pipe.incr("p")), "p")))
print("lock", told(lambda: pool.lock("l", timeout=10).acquire(blocking=False)))
print("script", told(lambda: pool.register_script("return ARGV[1]")(args=["x"])))
print("scan", told(lambda: sorted(pool.scan_iter("p1*"))))
binary = connect()
blob = bytes(range(256)) * 64
print("binary", told(lambda: (binary.set(b"\xff\x00", blob), binary.get(b"\xff\x00") == blob)))

subscriber = pool.pubsub()
subscriber.subscribe("channel")
print("subscribed", told(lambda: subscriber.get_message(timeout=20)))
print("published", told(lambda: pool.publish("channel", "hello")))
print("message", told(lambda: subscriber.get_message(timeout=20)))
subscriber.unsubscribe("channel")
print("unsubscribed", told(lambda: subscriber.get_message(timeout=20)))

# The pusher waits for its word, so that the pop is under way or about to be.
pusher = threading.Timer(0.05, lambda: connect().rpush("queue", "job"))
pusher.start()
print("blocking", told(lambda: pool.blpop("queue", timeout=20)))
pusher.join()
